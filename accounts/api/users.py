"""People: oneself, and for operators everybody."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import credentials, people
from accounts.models import User
from accounts.rest.filters import ChoiceFilter, Filters, SwitchFilter
from accounts.rest.ordering import Ordering
from accounts.rest.permissions import IsOperator, IsPerson
from accounts.rest.throttles import Everybody, SignUps
from accounts.rest.views import Door, Resource
from accounts.serializers import OperatedUserSerializer, SignUpSerializer, UserSerializer

SIGN_UP = OpenApiExample(
    "new", {"name": "Alice", "email": "alice@example.com", "password": "correct horse"}, request_only=True
)


class UserFilter(Filters):
    role = ChoiceFilter(choices=User.Role.choices)
    is_active = SwitchFilter()
    search = django_filters.CharFilter(method="called", max_length=100, help_text="In the e-mail address or the name.")

    def called(self, rows: QuerySet[User], name: str, text: str) -> QuerySet[User]:
        return rows.filter(Q(email__icontains=text) | Q(name__icontains=text))


@extend_schema(tags=["users"])
@extend_schema_view(
    list=extend_schema(summary="Everybody, for operators"),
    retrieve=extend_schema(summary="Oneself; for operators anybody"),
)
class Users(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    scope: ClassVar[str | None] = "users"
    only_logged_in = frozenset({"PATCH", "DELETE"})  # roles are made here
    serializer_class = UserSerializer
    filterset_class = UserFilter
    filter_backends = (DjangoFilterBackend, Ordering)
    ordering_fields = ("-id", "id", "email", "-email")
    ordering = ("-id",)

    def rows(self) -> QuerySet[User]:
        return User.objects.all() if self.person.is_staff else User.objects.filter(pk=self.person.pk)

    def get_permissions(self) -> list[Any]:
        return {"create": [], "retrieve": [IsPerson()]}.get(self.action, [IsOperator()])

    def get_throttles(self) -> list[Any]:
        return [Everybody(), SignUps()] if self.action == "create" else super().get_throttles()

    @extend_schema(request=SignUpSerializer, responses={201: UserSerializer}, examples=[SIGN_UP])
    def create(self, request: Request) -> Response:
        """Sign up as a driver. A mail asks to confirm the address."""
        asked = SignUpSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        person = credentials.sign_up(request._request, **asked.validated_data)
        where = {"Location": reverse("api:user-detail", args=[person.pk])}
        return Response(UserSerializer(person).data, status=201, headers=where)

    @extend_schema(request=OperatedUserSerializer, responses=UserSerializer)
    def partial_update(self, request: Request, **address: Any) -> Response:
        """Change name, role or activity of somebody, as an operator."""
        person = self.get_object()
        asked = OperatedUserSerializer(person, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        people.change(person, by=self.person, **asked.validated_data)
        return Response(UserSerializer(person).data)

    def destroy(self, request: Request, **address: Any) -> Response:
        """Switch somebody off: logins, tokens and cards stop at once, the history stays."""
        people.change(self.get_object(), by=self.person, is_active=False)
        return Response(status=204)


@extend_schema(tags=["users"])
class Me(Door):
    """One's own account."""

    scope: ClassVar[str | None] = "account"

    @extend_schema(operation_id="me_retrieve", responses=UserSerializer)
    def get(self, request: Request) -> Response:
        """Who one is."""
        return Response(UserSerializer(self.person).data)

    @extend_schema(operation_id="me_partial_update", request=UserSerializer, responses=UserSerializer)
    def patch(self, request: Request) -> Response:
        """Change one's name."""
        asked = UserSerializer(self.person, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        people.rename(self.person, **{"name": self.person.name, **asked.validated_data})
        return Response(UserSerializer(self.person).data)


class BecomeOwnerView(Door):
    scope: ClassVar[str | None] = "account"

    @extend_schema(operation_id="become_owner", tags=["users"], request=None, responses=UserSerializer)
    def post(self, request: Request) -> Response:
        """Become an owner. From now on one may list chargers; it cannot be undone by oneself."""
        people.become_owner(self.person)
        return Response(UserSerializer(self.person).data)
