from portal.extensions import db
from portal.models import Image
from portal.services import retention
from tests import factories


def test_nothing_of_a_deleted_patient_is_left_in_the_file(app, data_dir):
    traces = (b"Ada's own picture", b"Ada's aunt")
    case = factories.make_case("classified", with_image=False, comment="Ada's aunt")
    size = {"width": 4, "height": 3}
    content = traces[0] * 1000
    factories.save(Image(case=case, kind="dermoscopic", content=content, thumbnail=b"", sha256="0" * 64, **size))
    patient = case.patient
    assert all(is_in_the_files(data_dir, trace) for trace in traces)
    retention.delete_patient(patient=patient)
    assert not any(is_in_the_files(data_dir, trace) for trace in traces)


def is_in_the_files(folder, content):
    db.session.rollback()
    connection = db.engine.raw_connection()
    is_busy, *_pages = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    assert not is_busy
    return any(content in path.read_bytes() for path in folder.rglob("*") if path.is_file())
