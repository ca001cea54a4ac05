from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.queries.agreement import Counts, find_agreement
from tests import factories

pytestmark = pytest.mark.databases


def decide(clinic, reader, *, model, final, first=None, agrees=None):
    """A case that the model, then perhaps a first read, then a review named."""
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic))
    case = factories.make_case("classified", lesion=lesion, prediction={"predicted_class": model}, with_image=False)
    if first:
        factories.make_first_read(case, reader, first)
    factories.make_review(case, reader, diagnosis=final, agrees=model == final if agrees is None else agrees)
    return case


def find(user, **days):
    now = utc_now()
    return find_agreement(user, since=now - timedelta(days=1), until=now + timedelta(days=1))


@pytest.fixture
def clinic(app):
    return factories.make_clinic()


@pytest.fixture
def ada(clinic):
    return factories.make_user("clinician", clinic=clinic, name="Ada")


@pytest.fixture
def ben(clinic):
    return factories.make_user("clinician", clinic=clinic, name="Ben")


@pytest.fixture
def admin(app):
    return factories.make_user("admin")


def test_agreement_and_changes_of_mind_are_counted(clinic, ada, admin):
    decide(clinic, ada, model="mel", first="nv", final="mel")  # convinced
    decide(clinic, ada, model="mel", first="mel", final="nv")  # talked out of it
    decide(clinic, ada, model="mel", first="mel", final="mel")
    decide(clinic, ada, model="mel", first="bcc", final="nv")  # changed, but not because of the model
    decide(clinic, ada, model="nv", final="nv")  # no first read
    agreement = find(admin)
    assert agreement.total == Counts(
        decided=5, agreed=3, read_first=4, first_agreed=2, changed=3, moved_to_model=1, moved_from_model=1
    )
    assert {code: counts.decided for code, counts in agreement.by_class.items()} == {"mel": 4, "nv": 1}


def test_what_the_clinician_said_counts_as_agreement(clinic, ada, admin):
    decide(clinic, ada, model="mel", final="mel", agrees=False)
    assert find(admin).total.agreed == 0


def test_a_second_decision_on_the_same_case_does_not_count_again(clinic, ada, ben, admin):
    case = decide(clinic, ada, model="mel", final="mel")
    factories.make_review(case, ada, diagnosis="nv", agrees=False)
    factories.make_review(case, ben, diagnosis="nv", agrees=False)
    by_name = {user.name: counts for user, counts in find(admin).by_clinician.items()}
    assert list(by_name) == ["Ada", "Ben"]
    assert (by_name["Ada"].decided, by_name["Ada"].agreed) == (1, 1)
    assert (by_name["Ben"].decided, by_name["Ben"].agreed) == (1, 0)


def test_another_clinicians_first_read_is_not_mine(clinic, ada, ben, admin):
    case = decide(clinic, ada, model="mel", final="mel")
    factories.make_first_read(case, ben, "nv")
    assert find(admin).total.read_first == 0


def test_a_decision_without_a_model_view_does_not_count(clinic, ada, admin):
    case = factories.make_case(
        "failed", lesion=factories.make_lesion(patient=factories.make_patient(clinic=clinic)), with_image=False
    )
    factories.make_review(case, ada, agrees=None)
    assert find(admin).total == Counts()


def test_a_clinician_sees_only_themselves(clinic, ada, ben):
    decide(clinic, ada, model="mel", final="mel")
    decide(clinic, ben, model="nv", final="mel")
    agreement = find(ada)
    assert agreement.total.decided == 1
    assert [user.name for user in agreement.by_clinician] == ["Ada"]


def test_the_period_is_half_open(clinic, ada, admin):
    case = decide(clinic, ada, model="mel", final="mel")
    at = case.latest_review.created_at
    second = timedelta(seconds=1)
    assert find_agreement(admin, since=at, until=at + second).total.decided == 1
    assert find_agreement(admin, since=at - second, until=at).total.decided == 0
