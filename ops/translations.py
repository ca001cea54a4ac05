"""Keep translations/ in step with the texts in portal/ and templates/: ``python -m ops.translations``.

New texts enter each language's messages.po without a translation, texts that are gone leave it, and
what is translated is compiled to messages.mo. Prints what is still to translate, and fails while
there is any.
"""

import re
import sys
from io import BytesIO

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from config import ROOT, Config

METHODS = [("portal/**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS = {**DEFAULT_KEYWORDS, "_l": None, "lazy_gettext": None, "lazy_pgettext": ((1, "c"), 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|\{\w+\}")


def extract():
    """Every text that people read, as a Catalog without translations."""
    template = Catalog(charset="utf-8")
    for name, _line, message, _comments, context in extract_from_dir(ROOT, METHODS, keywords=KEYWORDS):
        if name.startswith(("portal/", "templates/")):
            template.add(message, context=context)
    return template


def po_path(language):
    return ROOT / "translations" / language / "LC_MESSAGES" / "messages.po"


def read(language):
    with po_path(language).open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog):
    """The bytes of messages.mo."""
    buffer = BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def faults(catalog):
    """(text, what is wrong) for each text that is not translated or whose placeholders differ."""
    for message in catalog:
        if not message.id:
            continue
        texts = [message.id] if isinstance(message.id, str) else message.id
        translations = [message.string] if isinstance(message.string, str) else message.string
        if message.fuzzy or not translations or not all(translations):
            yield texts[0], "not translated"
            continue
        allowed = [sorted(PLACEHOLDER.findall(text)) for text in texts]
        if any(sorted(PLACEHOLDER.findall(translation)) not in allowed for translation in translations):
            yield texts[0], "other placeholders"


def update(language, template):
    """Bring one language up to date on disk and return its Catalog."""
    catalog = read(language)
    created_at = catalog.creation_date
    catalog.update(template, no_fuzzy_matching=True)
    catalog.creation_date = created_at  # else every run changes the files
    catalog.obsolete.clear()
    with po_path(language).open("wb") as file:
        write_po(file, catalog, width=110, sort_output=True, no_location=True)
    po_path(language).with_suffix(".mo").write_bytes(compiled(read(language)))
    return catalog


def main():
    template, is_complete = extract(), True
    for language in Config.LANGUAGES.keys() - {"en"}:
        for text, fault in faults(update(language, template)):
            is_complete = False
            print(f"{language}: {fault}: {text}")
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
