"""A large file to S3 in parts, and on from where an earlier process stopped: S3 itself says which parts it has.

By botocore, which s3fs brings, in a few threads: s3fs does all its work in one, and needs more memory.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import md5
from pathlib import Path
from threading import Lock, Thread
from typing import Any, BinaryIO

PART = 8 << 20
MOST_PARTS = 10_000
AT_ONCE = 3
"""What S3 gets at a time: bytes, which are in memory, and how many of such parts."""


def client(files: Any) -> Any:
    """A client with the credentials and options of an `S3FileSystem`."""
    import botocore.session
    from botocore.config import Config

    own = {
        "aws_access_key_id": files.key,
        "aws_secret_access_key": files.secret,
        "aws_session_token": files.token,
        "endpoint_url": files.endpoint_url,
    }
    session = botocore.session.Session(**files.kwargs)
    return session.create_client("s3", config=Config(**files.config_kwargs), **{**own, **files.client_kwargs})


def put(s3: Any, path: Path, place: dict[str, str], **options: Any) -> None:
    """Store a file under `place`, a bucket and a key. If that fails its parts stay there, for the next try.

    A part that is there counts if its ETag is the MD5 of ours. With some encryptions it never is: then all is sent.
    """
    upload, there = _begun(s3, place, options)
    with path.open("rb") as file:
        etags = _sent(s3, file, os.fstat(file.fileno()).st_size, place, upload, there)
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
    s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})


def _sent(
    s3: Any, file: BinaryIO, size: int, place: dict[str, str], upload: str, there: dict[int, str]
) -> dict[int, str]:
    """The ETags of all parts, of which those were sent that were not there."""
    length = max(PART, -(-size // MOST_PARTS))
    numbers = iter(range(1, -(-size // length) + 1))
    reading = Lock()
    etags: dict[int, str] = {}
    failed: list[BaseException] = []

    def send_next() -> bool:
        """A function of its own: its bytes are gone before the next are read."""
        with reading:
            number = next(numbers, 0)
            data = file.read(length)
        if number:
            known = there.get(number, "")
            same = known and known.strip('"') == md5(data, usedforsecurity=False).hexdigest()
            etags[number] = known if same else _send(s3, place, upload, number, data)
        return number > 0

    def work() -> None:
        try:
            while not failed and send_next():
                pass
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            failed.append(error)

    others = [Thread(target=work, name="reticent-part", daemon=True) for _ in range(AT_ONCE - 1)]
    with suppress(RuntimeError):  # at its end a process can start none: then this one does it all
        for other in others:
            other.start()
    work()
    for other in others:
        if other.ident is not None:
            other.join()
    if failed:
        raise failed[0]
    return etags


def _begun(s3: Any, place: dict[str, str], options: dict[str, Any]) -> tuple[str, dict[int, str]]:
    """The newest upload to this place that was not completed, with the ETags of its parts; a new one if there is none."""
    from botocore.exceptions import ClientError

    with suppress(ClientError):  # who may write need not be allowed to list
        listed = s3.get_paginator("list_multipart_uploads").paginate(Bucket=place["Bucket"], Prefix=place["Key"])
        found = [one for page in listed for one in page.get("Uploads", ()) if one["Key"] == place["Key"]]
        if found:
            upload = str(max(found, key=lambda one: one["Initiated"])["UploadId"])
            pages = s3.get_paginator("list_parts").paginate(**place, UploadId=upload)
            return upload, {one["PartNumber"]: one["ETag"] for page in pages for one in page.get("Parts", ())}
    return str(s3.create_multipart_upload(**place, **options)["UploadId"]), {}


def _send(s3: Any, place: dict[str, str], upload: str, number: int, data: bytes) -> str:
    """The ETag of a part."""
    return str(s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=data)["ETag"])
