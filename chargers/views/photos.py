"""What an owner shows of a charger: its photos, and the pictures themselves for whoever may see them."""

from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from accounts import credentials
from accounts.models import User
from accounts.pages import post_or_back_to
from accounts.people import PersonRequest
from accounts.rest.permissions import IsPersonOrReads
from accounts.rest.views import AnyAccept, Door
from chargers import photos
from chargers.forms import NewPhotoForm, PhotoForm
from chargers.models import Charger, Photo
from chargers.views.owners import own_charger
from sharecharge.errors import Refused

KEPT_FOR_EVER: dict[str, Any] = {"public": True, "max_age": 365 * 86_400, "immutable": True}
ASKED_AGAIN: dict[str, Any] = {"private": True, "no_cache": True}


def own_photo(request: PersonRequest, pk: int, photo: int) -> Photo:
    """Refused: it is gone, or of another charger."""
    found: Photo | None = own_charger(request, pk).photos.filter(pk=photo).first()
    if found is None:
        raise photos.no_photo()
    return found


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def charger_photos(request: PersonRequest, pk: int) -> HttpResponse:
    """All photos of a charger; a POST adds one."""
    charger = own_charger(request, pk)
    form = NewPhotoForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        file = form.cleaned_data.pop("file")
        try:
            credentials.limit(request, "add_photo", user=request.user)
            photos.add(charger, file.read(), **form.cleaned_data)
        except Refused as refusal:
            form.add_error(refusal.field, str(refusal))
        except Throttled:
            form.add_error(None, _("These are many photos at once. Wait a minute."))
            return photos_page(request, charger, form, status=429)
        else:
            messages.success(request, _("The photo is there."))
            return redirect("charger_photos", pk)
    return photos_page(request, charger, form, status=400 if form.is_bound else 200)


def photos_page(request: PersonRequest, charger: Charger, form: NewPhotoForm, *, status: int = 200) -> HttpResponse:
    rows = [(photo, PhotoForm.of(photo)) for photo in charger.photos.all()]
    context = {"charger": charger, "photos": rows, "form": form, "most": photos.MOST}
    return render(request, "chargers/charger_photos.html", context, status=status)


@login_required
@post_or_back_to("charger_photos", "pk")
def photo_edit(request: PersonRequest, pk: int, photo: int) -> HttpResponse:
    found = own_photo(request, pk, photo)
    form = PhotoForm.of(found, request.POST)
    if form.is_valid():
        photos.change(found, **form.cleaned_data)
        messages.success(request, _("Saved."))
    else:
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
    return redirect("charger_photos", pk)


@login_required
@post_or_back_to("charger_photos", "pk")
def photo_first(request: PersonRequest, pk: int, photo: int) -> HttpResponse:
    photos.put_first(own_photo(request, pk, photo))
    messages.success(request, _("This photo comes first now."))
    return redirect("charger_photos", pk)


@login_required
@post_or_back_to("charger_photos", "pk")
def photo_delete(request: PersonRequest, pk: int, photo: int) -> HttpResponse:
    photos.delete(own_photo(request, pk, photo))
    messages.success(request, _("The photo was deleted."))
    return redirect("charger_photos", pk)


@extend_schema(exclude=True)
class PhotoFile(Door):
    """A picture by its unguessable address, which pages and the API tell to whoever may see it.

    What is public is kept by browsers for ever. For the rest it is asked each time who wants it: by cookie or token,
    which is why the door is one of the API.
    """

    scope: ClassVar[str | None] = "chargers"
    permission_classes = (IsPersonOrReads,)
    throttle_classes = ()
    content_negotiation_class = AnyAccept

    def perform_authentication(self, request: Request) -> None:
        """Only where it matters: an answer that depends on nobody can be shared by all."""

    def get(self, request: Request, key: str, size: str) -> HttpResponseBase:
        if size not in Photo.FILES:
            raise Http404
        photo = get_object_or_404(Photo.objects.select_related("charger__owner"), key=key)
        is_public = photos.is_public(photo)
        if not is_public and not photos.may_see(photo, request.user if isinstance(request.user, User) else None):
            raise Http404
        etag = f'"{key}-{size}"'
        response = get_conditional_response(request._request, etag=etag) or picture(key, size)
        response["ETag"] = etag
        patch_cache_control(response, **(KEPT_FOR_EVER if is_public else ASKED_AGAIN))
        return response


def picture(key: str, size: str) -> HttpResponse:
    """Its bytes are read only here: most who ask for a photo that they know are told that it is still the same."""
    photo = get_object_or_404(Photo.objects.with_file(size), key=key)
    return HttpResponse(getattr(photo, size), content_type="image/jpeg")
