"""The wallet, for programs."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.views import Door
from billing import wallets
from billing.serializers import WalletSerializer


class WalletView(Door):
    """One's own money."""

    scope: ClassVar[str | None] = "wallet"

    @extend_schema(responses=WalletSerializer)
    def get(self, request: Request) -> Response:
        """What is in the wallet, on hold, and owed."""
        return Response(WalletSerializer(wallets.wallet_of(self.person)).data)
