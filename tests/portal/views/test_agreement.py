import pytest

from tests import factories


@pytest.fixture
def decided(app):
    clinic = factories.make_clinic()
    ada = factories.make_user("clinician", clinic=clinic, name="Ada Reader")
    ben = factories.make_user("clinician", clinic=clinic, name="Ben Reader")
    for reader, final in ((ada, "mel"), (ben, "nv")):
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic))
        case = factories.make_case("classified", lesion=lesion, prediction={"predicted_class": "mel"})
        factories.make_first_read(case, reader, "nv")
        factories.make_review(case, reader, diagnosis=final, agrees=final == "mel")
    return ada


def test_an_admin_sees_everybody_with_n_and_period(decided, as_user):
    page = as_user("admin").get("/admin/agreement").text
    assert "2 decisions" in page
    assert "2 with a first impression" in page
    assert "Ada Reader" in page and "Ben Reader" in page
    assert "1 of 2" in page


def test_a_clinician_sees_their_own_figures(decided, as_user):
    page = as_user(decided).get("/agreement/mine").text
    assert "1 decision," in page
    assert "1 of 1" in page
    assert "Ben Reader" not in page


@pytest.mark.parametrize(
    "query", ["from=2020-01-01&to=2020-02-01", "from=x&to=", "from=0001-01-01&to=9999-12-31", "to=0001-01-01"]
)
def test_any_period_is_answered(decided, as_user, query):
    assert as_user("admin").get(f"/admin/agreement?{query}").status_code == 200


def test_an_empty_period_says_so(decided, as_user):
    assert "No decision in this time" in as_user("admin").get("/admin/agreement?from=2020-01-01&to=2020-02-01").text


@pytest.mark.parametrize(("role", "path"), [("clinician", "/admin/agreement"), ("admin", "/agreement/mine")])
def test_each_page_has_its_role(as_user, role, path):
    assert as_user(role).get(path).status_code == 403
