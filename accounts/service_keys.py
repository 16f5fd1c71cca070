"""Keys of trusted services, such as a gateway of one's own: give, recognise, revoke.

A service may have several, so that a new one can be rolled out before the old one ends.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import ServiceKey

# That a key was used is known well enough.
USED_EVERY = timedelta(minutes=1)


def give(name: str) -> str:
    """A further key for the service of this name; it is shown once and not kept. The older ones go on."""
    key = f"sck_{secrets.token_urlsafe(32)}"
    ServiceKey.objects.create(name=name, key_hmac=hmac_of(key))
    return key


def revoke(key: ServiceKey) -> None:
    """It is refused from now on; its row tells who it was."""
    ServiceKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())


def recognise(shown: str) -> ServiceKey | None:
    """The living key that was shown, compared in constant time with all there are."""
    found, shown_hmac = None, hmac_of(shown)
    for key in ServiceKey.objects.living():
        if hmac.compare_digest(key.key_hmac, shown_hmac):
            found = key
    if found is not None:
        now = timezone.now()
        lately = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
        ServiceKey.objects.filter(lately, pk=found.pk).update(last_used_at=now)
    return found


def hmac_of(key: str) -> str:
    """What is kept of a key, as hex. It is random and long, and needs no slow hash."""
    return hmac.new(settings.SECRET_KEY.encode(), b"service-key:" + key.encode(), hashlib.sha256).hexdigest()
