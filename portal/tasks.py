"""What workers do. Each task takes a primary key and may run any number of times."""

import uuid

from celery import shared_task

from portal.services import classification


@shared_task(name="portal.tasks.classify_case")
def classify_case(case_id):
    classification.classify(uuid.UUID(case_id))


@shared_task(name="portal.tasks.sweep")
def sweep():
    classification.sweep()
