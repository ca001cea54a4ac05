import pytest
from flask_babel import force_locale

from config import Config
from ops import translations
from portal.explanations import class_name, describe, reason_text, site_name
from tests.portal.test_explanations import make_case, make_prediction

LANGUAGES = sorted(Config.LANGUAGES.keys() - {"en"})


@pytest.fixture(scope="module")
def template():
    return translations.extract()


def ids(catalog):
    return {(message.context, message.id) for message in catalog if message.id}


def test_texts_are_found_in_code_and_in_templates(template):
    found = ids(template)
    assert (None, "The photo is hard to judge: %(problem)s.") in found
    assert ("part of the body", "Back") in found
    assert (None, "Your skin spot") in found
    assert len(found) > 700


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_left_out_and_none_is_left_over(template, language):
    assert ids(translations.read(language)) == ids(template)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_with_its_placeholders(language):
    assert list(translations.faults(translations.read(language))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_is_of_this_text(language):
    mo_path = translations.po_path(language).with_suffix(".mo")
    assert mo_path.read_bytes() == translations.compiled(translations.read(language))


@pytest.mark.parametrize(
    ("message", "translation"), [("Wait %(n)s", "Espere %(m)s"), ("Wait", ""), ("Wait", "Espere %%")]
)
def test_a_faulty_translation_is_found(message, translation):
    catalog = translations.Catalog(locale="es")
    catalog.add(message, translation)
    assert len(list(translations.faults(catalog))) == 1


def test_a_text_is_shown_in_the_language_asked_for(app):
    with app.test_request_context(), force_locale("es"):
        assert class_name("nv") == "Lunar (nevo)"
        assert site_name("back") == "Espalda"
        assert reason_text({"code": "checklist", "params": {"score": 5}}).startswith("El cuestionario da 5 puntos")
        assert describe(make_case(), make_prediction()).moved[0].how == "la sube de unas 20 a unas 50 de cada 100"


def test_a_translation_nobody_checked_says_so(app, as_user):
    client = as_user("clinician")
    for language in LANGUAGES:
        assert language in Config.UNREVIEWED_LANGUAGES
        client.post("/account/language", data={"language": language, "next": "/queue"})
        page = client.get("/queue").text
        assert f'<html lang="{language}"' in page
        assert "machine-made" in page
    client.post("/account/language", data={"language": "en", "next": "/queue"})
    assert "machine-made" not in client.get("/queue").text
