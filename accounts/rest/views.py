"""What the API's addresses have in common."""

from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.rest.pagination import Pages


class Door(APIView):
    """An address of the API.

    `scope` is what a personal API token needs: `<scope>:read` or `<scope>:write`. None: tokens are not let in.
    `only_logged_in` are the methods for which no token suffices: what a thief of one must not be able to do.
    `parameters` are the query parameters that are read; others are refused, and empty ones: a filter that is
    misspelt, or whose value got lost, would show too much.
    """

    scope: ClassVar[str | None] = None
    only_logged_in: ClassVar[frozenset[str]] = frozenset()
    parameters: ClassVar[frozenset[str]] = frozenset()

    @property
    def person(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if unknown := request.query_params.keys() - self.known_parameters():
            fault = ErrorDetail(_("There is no such parameter here."), "unknown_parameter")
            raise ValidationError({name: [fault] for name in sorted(unknown)})
        if not self._is_form(request) and (empty := [name for name, text in request.query_params.items() if not text]):
            fault = ErrorDetail(_("This parameter is empty. Leave it out, or give it a value."), "empty_parameter")
            raise ValidationError({name: [fault] for name in sorted(empty)})

    def perform_authentication(self, request: Request) -> None:
        """A wrong token is counted with its address: it costs a look-up like any other."""
        try:
            super().perform_authentication(request)
        except APIException:
            super().check_throttles(request)
            raise

    def check_permissions(self, request: Request) -> None:
        """Counted first: the framework would not count what is refused."""
        super().check_throttles(request)
        super().check_permissions(request)

    def check_throttles(self, request: Request) -> None:
        """Done by then."""

    def _is_form(self, request: Request) -> bool:
        """The filters of the framework's page for browsers: a form sends all its fields."""
        return getattr(request, "accepted_renderer", None) is not None and request.accepted_renderer.format == "api"

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """The framework's page for browsers has styles inside; its scripts are files of ours."""
        final = super().finalize_response(request, response, *args, **kwargs)
        if getattr(final, "accepted_renderer", None) and final.accepted_renderer.format == "api":
            final._csp_update = {"style-src": ["'unsafe-inline'"]}  # type: ignore[attr-defined]  # as csp.decorators do
        return final

    def known_parameters(self) -> set[str]:
        """`format` chooses the renderer and is the framework's own."""
        return {"format", *self.parameters}


class Resource(Door, GenericViewSet[Any]):
    """Rows that a person may see. What is not among `rows()` does not exist: foreign is 404, never 403."""

    pagination_class = Pages
    # What `filterset_class` narrows. Elsewhere a filter that is on by default would keep rows from being opened.
    filtered: ClassVar[frozenset[str]] = frozenset({"list"})
    # As long as the keys of our tables can be; anything else is no address at all.
    lookup_value_regex = "[0-9]{1,18}"

    def rows(self) -> QuerySet[Any]:
        """The rows that whoever asks may see."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):  # the schema is made without anybody who asks
            model: type[Model] = self.get_serializer_class().Meta.model  # type: ignore[attr-defined]
            return model._default_manager.none()
        return self.rows()

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset) if self.action in self.filtered else queryset

    def known_parameters(self) -> set[str]:
        known = super().known_parameters()
        if self.action in self.filtered:
            filters = getattr(self, "filterset_class", None)
            known |= set(filters.base_filters if filters else ())
        if self.action == "list":
            known |= {"limit", "cursor"}
            known |= {"ordering"} if getattr(self, "ordering_fields", None) else set()
        return known


class AnyAccept(DefaultContentNegotiation):
    """The answer is of one kind, CSV or a picture, whatever is asked for; what goes wrong is told as JSON."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
