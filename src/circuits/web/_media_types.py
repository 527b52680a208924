"""Media types of files, by their extensions."""

from __future__ import annotations

import mimetypes
import os
from functools import lru_cache

__all__ = ["guess_type"]

#: What the standard table lacks, or has in some versions of Python only.
_TYPES = """
    application/atom+xml .atom
    application/epub+zip .epub
    application/geo+json .geojson
    application/gpx+xml .gpx
    application/gzip .gz .tgz
    application/java-archive .jar
    application/java-vm .class
    application/ld+json .jsonld
    application/manifest+json .webmanifest
    application/octet-stream .iso .img .db .dat .pmtiles
    application/rss+xml .rss
    application/rtf .rtf
    application/vnd.android.package-archive .apk
    application/vnd.apache.parquet .parquet
    application/vnd.apple.mpegurl .m3u8
    application/vnd.comicbook+zip .cbz
    application/vnd.debian.binary-package .deb
    application/vnd.google-earth.kml+xml .kml
    application/vnd.ms-cab-compressed .cab
    application/vnd.ms-fontobject .eot
    application/vnd.oasis.opendocument.presentation .odp
    application/vnd.oasis.opendocument.spreadsheet .ods
    application/vnd.oasis.opendocument.text .odt
    application/vnd.openxmlformats-officedocument.presentationml.presentation .pptx
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet .xlsx
    application/vnd.openxmlformats-officedocument.wordprocessingml.document .docx
    application/vnd.rar .rar
    application/vnd.sqlite3 .sqlite
    application/x-7z-compressed .7z
    application/x-apple-diskimage .dmg
    application/x-bittorrent .torrent
    application/x-brotli .br
    application/x-bzip2 .bz2
    application/x-lz4 .lz4
    application/x-mobipocket-ebook .mobi
    application/x-msi .msi
    application/x-rpm .rpm
    application/x-xz .xz
    application/xhtml+xml .xhtml
    application/zip .whl
    application/zstd .zst
    audio/aac .aac
    audio/flac .flac
    audio/midi .mid .midi
    audio/mp4 .m4a
    audio/ogg .ogg .opus
    audio/webm .weba
    audio/x-matroska .mka
    font/otf .otf
    font/ttf .ttf
    font/woff .woff
    font/woff2 .woff2
    image/apng .apng
    image/avif .avif
    image/heic .heic
    image/jp2 .jp2
    image/jxl .jxl
    image/vnd.adobe.photoshop .psd
    image/vnd.djvu .djvu
    image/webp .webp
    image/x-dwg .dwg
    image/x-icon .ico
    model/gltf+json .gltf
    model/gltf-binary .glb
    model/stl .stl
    text/calendar .ics
    text/javascript .mjs .js
    text/markdown .md
    video/mp4 .m4v
    video/x-flv .flv
    video/x-matroska .mkv
    video/x-ms-wmv .wmv
"""


@lru_cache(maxsize=1)
def _types() -> dict[str, str]:
    # Python's own table, not the machine's, so that every machine answers alike.
    types = dict(mimetypes.MimeTypes().types_map[1])
    for kind, *extensions in map(str.split, _TYPES.strip().splitlines()):
        types.update(dict.fromkeys(extensions, kind))
    return types


def guess_type(path: str) -> str:
    """The media type for a file's extension; ``text/plain`` if it is not known."""
    return _types().get(os.path.splitext(path)[1].lower(), "text/plain")
