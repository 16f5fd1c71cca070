"""Reports of problems: made by drivers and owners, answered by owners and operators."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.rest.errors import Error
from accounts.rest.filters import ChoiceFilter, Filters, KeyFilter
from accounts.rest.views import Resource
from chargers import problems
from chargers.api.commands import plug
from chargers.models import ProblemReport
from chargers.models.problems import ProblemReportQuerySet
from chargers.serializers import problems as serializers


class ProblemFilters(Filters):
    charger = KeyFilter()
    kind = ChoiceFilter(choices=ProblemReport.Kind.choices)
    status = ChoiceFilter(choices=ProblemReport.Status.choices, method="in_status")

    def in_status(self, reports: ProblemReportQuerySet, name: str, value: str) -> Any:
        return getattr(reports, value)()  # open, answered or closed


NEW = OpenApiExample(
    "A cut cable", request_only=True, value={"charger": 7, "connector": 1, "kind": "plug", "text": "The cable is cut."}
)
ANSWER = OpenApiExample("An answer", request_only=True, value={"text": "A new one comes tomorrow."})

UNSEEN = OpenApiResponse(Error, description="There is no such charger, plug or session for you.")


@extend_schema(tags=["reports"])
@extend_schema_view(
    list=extend_schema(operation_id="reports_list", summary="Reports of problems, newest first"),
    retrieve=extend_schema(operation_id="reports_retrieve", summary="One report of a problem"),
)
class ProblemResource(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """Seen by whoever reported it, the charger's owner, and operators."""

    scope: ClassVar[str | None] = "reports"
    serializer_class = serializers.ProblemSerializer
    filterset_class = ProblemFilters

    def rows(self) -> QuerySet[ProblemReport]:
        return ProblemReport.objects.visible_to(self.person).with_all()

    def read(self, shape: type[Any], **options: Any) -> dict[str, Any]:
        asked = shape(data=self.request.data, **options)
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    @extend_schema(
        operation_id="reports_create",
        request=serializers.NewProblemSerializer,
        responses={201: serializers.ProblemSerializer, 404: UNSEEN},
        examples=[NEW],
    )
    def create(self, request: Request) -> Response:
        """Reports a problem. Tells the charger's owner and the operators what is wrong with it."""
        told = self.read(serializers.NewProblemSerializer, user=self.person)
        charger, number = problems.charger_to_report(told["charger"], by=self.person), told.get("connector")
        subject = problems.Subject(charger, plug(charger, number) if number else None, told.get("session"))
        problem = problems.report(subject, by=self.person, kind=told["kind"], text=told["text"])
        location = reverse("api:report-detail", [problem.pk], request=request)
        return Response(self.get_serializer(problem).data, status=201, headers={"Location": location})

    @extend_schema(operation_id="reports_answer", request=serializers.AnswerSerializer, examples=[ANSWER])
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str) -> Response:
        """Answers a report, or replaces the answer. For the charger's owner and operators."""
        problem = self.get_object()
        text = self.read(serializers.AnswerSerializer)["text"]
        return Response(self.get_serializer(problems.answer(problem, by=self.person, text=text)).data)

    @extend_schema(operation_id="reports_close", request=None)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Closes a report: nothing more has to be done about it."""
        return Response(self.get_serializer(problems.close(self.get_object(), by=self.person)).data)
