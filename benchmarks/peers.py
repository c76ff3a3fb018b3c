"""The peers: medallion from this environment, OpenTAXII from a virtual environment of its own.

Both hold the same objects as our node, withdrawn ones left out, in one public or one-user collection.
OpenTAXII 0.9.3 answers POST and its collections with 500 because it hands UUIDs to `json.dumps`; one
line of our installed copy is repaired. Both are filled below HTTP (medallion from its data file,
OpenTAXII through its own models), because their POST would take hours at 100,000 objects.
"""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks import processes

COLLECTION: Final = "0c6f3a58-6f0a-4b34-9a64-0bd3e4f1f6b1"
API_ROOT: Final = "7f0c1c9e-52ce-4b07-9c5b-2d7c3b9b6a55"
_FIRST: Final = datetime(2026, 6, 1, tzinfo=UTC)
OPENTAXII: Final = "opentaxii==0.9.3"
ACCEPT: Final = "application/taxii+json;version=2.1"


def added(number: int) -> str:
    """The instant at which a peer added its line `number`, as `added_after` takes it."""
    at = _FIRST + timedelta(milliseconds=number)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


BASIC: Final = "Basic " + base64.b64encode(b"bench:bench").decode()


def request(path: str, authorization: str = "") -> str:
    """A GET request for a peer."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Accept: {ACCEPT}"]
    if authorization:
        lines.append(f"Authorization: {authorization}")
    return "\r\n".join(lines) + "\r\n\r\n"


def opentaxii_token(port: int) -> str:
    """The Authorization value of a login: with Basic, OpenTAXII hashes the password on each request."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    link.request(
        "POST",
        "/management/auth",
        json.dumps({"username": "bench", "password": "bench"}),
        {"Content-Type": "application/json"},
    )
    answer = json.loads(link.getresponse().read())
    link.close()
    return f"Bearer {answer['token']}"


def start_medallion(items: Sequence[dict[str, Any]], work: Path) -> processes.Server:
    """Medallion's own command with its memory back end, its collection at /root/collections/ID/."""
    work.mkdir(parents=True, exist_ok=True)
    manifest = [
        {
            "id": item["id"],
            "date_added": added(number),
            "version": item["modified"],
            "media_type": "application/stix+json;version=2.1",
        }
        for number, item in enumerate(items)
    ]
    data = {
        "/discovery": {"title": "bench", "default": "/root/", "api_roots": ["/root/"]},
        "root": {
            "information": {
                "title": "bench",
                "versions": [ACCEPT],
                "max_content_length": 104857600,
            },
            "status": [],
            "collections": [
                {
                    "id": COLLECTION,
                    "title": "bench",
                    "can_read": True,
                    "can_write": True,
                    "media_types": ["application/stix+json;version=2.1"],
                    "objects": list(items),
                    "manifest": manifest,
                }
            ],
        },
    }
    (work / "data.json").write_text(json.dumps(data))
    (work / "config.json").write_text(
        json.dumps(
            {
                "backend": {
                    "module": "medallion.backends.memory_backend",
                    "module_class": "MemoryBackend",
                    "filename": str(work / "data.json"),
                },
                "users": {"bench": "bench"},
                "taxii": {"max_page_size": 1000},
            }
        )
    )
    port = processes.free_port()
    command = Path(sys.executable).with_name("medallion")
    return processes.start(
        "medallion",
        [str(command), "--port", str(port), "--log-level", "ERROR", str(work / "config.json")],
        port=port,
        log=work / "server.log",
    )


def install_opentaxii(work: Path) -> Path | None:
    """Install OpenTAXII and gunicorn once; return its python, or None where it cannot be installed."""
    home = work / "opentaxii-venv"
    python = home / "bin" / "python"
    done = home / "installed"
    if done.exists():
        return python
    try:
        venv.create(home, with_pip=True, clear=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", OPENTAXII, "gunicorn"],
            check=True,
            capture_output=True,
            timeout=180,
        )
        _repair(home)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        print(f"OpenTAXII is left out: {error}", file=sys.stderr)
        return None
    done.touch()
    return python


def _repair(home: Path) -> None:
    [source] = home.glob("lib/python*/site-packages/opentaxii/taxii2/http.py")
    text = source.read_text()
    broken = "data = json.dumps(data)"
    if text.count(broken) != 1:
        raise RuntimeError("the line of OpenTAXII that needs repair is not where it was")
    source.write_text(text.replace(broken, "data = json.dumps(data, default=str)"))


_FILL: Final = """
import json, sys, uuid
from datetime import datetime, timedelta, timezone
from opentaxii.http import app
from opentaxii.persistence.sqldb import taxii2models as models

items_file, root, collection, first = sys.argv[1:]
first = datetime.fromisoformat(first)
with app.app_context():
    db = app.taxii_server.servers.taxii2.persistence.api.db
    session = db.session
    session.add(models.ApiRoot(id=root, default=True, title="bench", is_public=True))
    session.flush()
    session.add(models.Collection(id=collection, api_root_id=root, title="bench", alias="bench",
                                  is_public=False, is_public_write=True))
    rows = []
    with open(items_file) as lines:
        for number, line in enumerate(lines):
            item = json.loads(line)
            version = datetime.strptime(item["modified"], "%Y-%m-%dT%H:%M:%S.%fZ")
            rows.append(models.STIXObject(
                pk=uuid.uuid4(), id=item.pop("id"), collection_id=collection, type=item.pop("type"),
                spec_version=item.pop("spec_version"),
                date_added=first + timedelta(milliseconds=number),
                version=version.replace(tzinfo=timezone.utc), serialized_data=item))
            if len(rows) == 5000:
                session.bulk_save_objects(rows)
                rows = []
    session.bulk_save_objects(rows)
    session.commit()
    app.taxii_server.auth.api.create_account(username="bench", password="bench", is_admin=True)
"""


def fill_opentaxii(python: Path, items: Sequence[dict[str, Any]], work: Path) -> Path:
    """Make OpenTAXII's databases in `work` once; return its configuration file."""
    config = work / "opentaxii.yml"
    done = work / "filled"
    if done.exists():
        return config
    work.mkdir(parents=True, exist_ok=True)
    for name in ("auth.db", "data.db"):
        (work / name).unlink(missing_ok=True)
    config.write_text(
        f"""
domain: "127.0.0.1"
support_basic_auth: yes
auth_api:
  class: opentaxii.auth.sqldb.SQLDatabaseAPI
  parameters:
    db_connection: sqlite:///{work / "auth.db"}
    create_tables: yes
    secret: bench
taxii1:
taxii2:
  max_content_length: 104857600
  title: bench
  public_discovery: true
  persistence_api:
    class: opentaxii.persistence.sqldb.Taxii2SQLDatabaseAPI
    parameters:
      db_connection: sqlite:///{work / "data.db"}
      create_tables: yes
logging:
  opentaxii: error
  root: error
"""
    )
    with (work / "items.jsonl").open("w") as lines:
        lines.writelines(json.dumps(item) + "\n" for item in items)
    (work / "fill.py").write_text(_FILL)
    subprocess.run(
        [
            str(python),
            "-W",
            "ignore",
            str(work / "fill.py"),
            str(work / "items.jsonl"),
            API_ROOT,
            COLLECTION,
            _FIRST.isoformat(),
        ],
        check=True,
        env={"OPENTAXII_CONFIG": str(config), "PATH": "/usr/bin:/bin"},
    )
    (work / "items.jsonl").unlink()
    done.touch()
    return config


def start_opentaxii(python: Path, config: Path, work: Path) -> processes.Server:
    """OpenTAXII as its documentation runs it: gunicorn, here with one process of four threads."""
    port = processes.free_port()
    return processes.start(
        "opentaxii",
        [
            str(python.with_name("gunicorn")),
            "--bind",
            f"127.0.0.1:{port}",
            "--worker-class",
            "gthread",
            "--threads",
            "4",
            "--log-level",
            "error",
            "--keep-alive",
            "60",
            "opentaxii.http:app",
        ],
        port=port,
        log=work / "server.log",
        environment={"OPENTAXII_CONFIG": str(config)},
        probe=request("/taxii2/").encode(),
    )
