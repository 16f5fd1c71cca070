"""What an owner shows of a charger: its photos."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import Throttled

from accounts import credentials
from accounts.pages import post_or_back_to
from accounts.people import PersonRequest
from chargers import photos
from chargers.forms import NewPhotoForm, PhotoForm
from chargers.models import Charger, Photo
from chargers.views.owners import own_charger
from sharecharge.errors import Refused


def own_photo(request: PersonRequest, pk: int, photo: int) -> Photo:
    """404 for one of another charger."""
    found: Photo = get_object_or_404(own_charger(request, pk).photos.select_related("charger"), pk=photo)
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
