"""The two channel layers, each able to say which groups have members: most chargers are watched by nobody, and an
event for nobody should cost next to nothing."""

from collections.abc import Collection

from channels.layers import InMemoryChannelLayer
from channels_redis.core import RedisChannelLayer


class MemoryLayer(InMemoryChannelLayer):
    async def listened(self, groups: Collection[str]) -> set[str]:
        """Those of `groups` that somebody has joined."""
        return {group for group in groups if self.groups.get(group)}


class RedisLayer(RedisChannelLayer):
    async def listened(self, groups: Collection[str]) -> set[str]:
        """Those of `groups` that somebody has joined: one round trip for each Redis, not two for each group."""
        by_redis: dict[int, list[str]] = {}
        for group in groups:
            by_redis.setdefault(self.consistent_hash(group), []).append(group)
        found = set()
        for index, names in by_redis.items():
            async with self.connection(index).pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.exists(self._group_key(name))
                answers = await pipeline.execute()
            found |= {name for name, exists in zip(names, answers, strict=True) if exists}
        return found
