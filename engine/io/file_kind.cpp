// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/file_kind.h"

#include <algorithm>
#include <cctype>

#include "engine/base/text.h"
#include "engine/base/utf8.h"

namespace luthier {

namespace {

using namespace std::string_view_literals;
using Family = FileFamily;

struct Magic {
  std::size_t at;
  std::string_view bytes;
  Family family;
  const char* name;
};

constexpr Magic kMagics[] = {
    {0, "PAR1"sv, Family::Table, "a Parquet file"},
    {0, "ARROW1"sv, Family::Table, "an Arrow file"},
    {0, "\xff\xff\xff\xff"sv, Family::Table, "an Arrow stream"},
    {0, "SQLite format 3"sv, Family::Table, "an SQLite database"},
    {0, "\x89HDF\r\n"sv, Family::Table, "an HDF5 file"},
    {0, "\x93NUMPY"sv, Family::Table, "a NumPy array"},
    {0, "\xd0\xcf\x11\xe0"sv, Family::Table, "an old Office document"},
    {0, "PK\x03\x04"sv, Family::Archive, "a ZIP archive"},
    {0, "PK\x05\x06"sv, Family::Archive, "a ZIP archive"},
    {0, "\x1f\x8b"sv, Family::Archive, "a gzip archive"},
    {0, "BZh"sv, Family::Archive, "a bzip2 archive"},
    {0, "\xfd\x37zXZ"sv, Family::Archive, "an xz archive"},
    {0, "\x28\xb5\x2f\xfd"sv, Family::Archive, "a Zstandard archive"},
    {0, "7z\xbc\xaf\x27\x1c"sv, Family::Archive, "a 7-Zip archive"},
    {0, "Rar!\x1a\x07"sv, Family::Archive, "a RAR archive"},
    {257, "ustar"sv, Family::Archive, "a tar archive"},
    {0, "\x89PNG\r\n\x1a\n"sv, Family::Picture, "a PNG picture"},
    {0, "\xff\xd8\xff"sv, Family::Picture, "a JPEG picture"},
    {0, "GIF87a"sv, Family::Picture, "a GIF picture"},
    {0, "GIF89a"sv, Family::Picture, "a GIF picture"},
    {0, "II*\0"sv, Family::Picture, "a TIFF picture"},
    {0, "MM\0*"sv, Family::Picture, "a TIFF picture"},
    {8, "WEBP"sv, Family::Picture, "a WebP picture"},
    {4, "ftypavif"sv, Family::Picture, "an AVIF picture"},
    {4, "ftypavis"sv, Family::Picture, "an AVIF picture"},
    {4, "ftyphe"sv, Family::Picture, "a HEIC picture"},
    {4, "ftypmif1"sv, Family::Picture, "a HEIF picture"},
    {4, "ftypmsf1"sv, Family::Picture, "a HEIF picture"},
    {0, "\0\0\0\x0cJXL \r\n"sv, Family::Picture, "a JPEG XL picture"},
    {0, "\xff\x0a"sv, Family::Picture, "a JPEG XL picture"},
    {0, "\0\0\0\x0cjP  "sv, Family::Picture, "a JPEG 2000 picture"},
    {0, "\xff\x4f\xff\x51"sv, Family::Picture, "a JPEG 2000 picture"},
    {0, "8BPS"sv, Family::Picture, "a Photoshop picture"},
    {0, "\0\0\x01\0"sv, Family::Picture, "an icon file (ICO)"},
    {0, "\x76\x2f\x31\x01"sv, Family::Picture, "an OpenEXR picture"},
    {0, "DDS "sv, Family::Picture, "a DDS picture"},
    {128, "DICM"sv, Family::Picture, "a DICOM picture"},
    {0, "<svg"sv, Family::Picture, "an SVG drawing"},
    {0, "%PDF"sv, Family::Other, "a PDF document"},
    {4, "ftypM4A"sv, Family::Audio, "an M4A sound file"},
    {4, "ftyp"sv, Family::Video, "an MP4 video"},
    {0, "\x1a\x45\xdf\xa3"sv, Family::Video, "a Matroska or WebM video"},
    {8, "AVI "sv, Family::Video, "an AVI video"},
    {8, "WAVE"sv, Family::Audio, "a WAV sound file"},
    {0, "OggS"sv, Family::Audio, "an Ogg sound file"},
    {0, "fLaC"sv, Family::Audio, "a FLAC sound file"},
    {0, "ID3"sv, Family::Audio, "an MP3 sound file"},
    {0, "version https://git-lfs"sv, Family::Pointer, "a Git LFS pointer and not the file itself"},
    {0, "GGUF"sv, Family::Weights, "a GGUF model"},
};

struct Ending {
  std::string_view ending;
  Family family;
  const char* name;
};

constexpr Ending kEndings[] = {
    {".parquet", Family::Table, "a Parquet file"},
    {".arrow", Family::Table, "an Arrow file"},
    {".feather", Family::Table, "an Arrow file"},
    {".csv", Family::Table, "a CSV table"},
    {".tsv", Family::Table, "a TSV table"},
    {".xlsx", Family::Table, "an Excel table"},
    {".xls", Family::Table, "an Excel table"},
    {".ods", Family::Table, "a spreadsheet"},
    {".pkl", Family::Table, "a Python pickle"},
    {".pickle", Family::Table, "a Python pickle"},
    {".npy", Family::Table, "a NumPy array"},
    {".npz", Family::Table, "a NumPy archive"},
    {".h5", Family::Table, "an HDF5 file"},
    {".hdf5", Family::Table, "an HDF5 file"},
    {".tfrecord", Family::Table, "a TFRecord file"},
    {".sqlite", Family::Table, "an SQLite database"},
    {".db", Family::Table, "a database"},
    {".zip", Family::Archive, "a ZIP archive"},
    {".tar", Family::Archive, "a tar archive"},
    {".gz", Family::Archive, "a gzip archive"},
    {".tgz", Family::Archive, "a gzip archive"},
    {".bz2", Family::Archive, "a bzip2 archive"},
    {".xz", Family::Archive, "an xz archive"},
    {".zst", Family::Archive, "a Zstandard archive"},
    {".7z", Family::Archive, "a 7-Zip archive"},
    {".rar", Family::Archive, "a RAR archive"},
    {".png", Family::Picture, "a PNG picture"},
    {".jpg", Family::Picture, "a JPEG picture"},
    {".jpeg", Family::Picture, "a JPEG picture"},
    {".webp", Family::Picture, "a WebP picture"},
    {".gif", Family::Picture, "a GIF picture"},
    {".bmp", Family::Picture, "a BMP picture"},
    {".tif", Family::Picture, "a TIFF picture"},
    {".tiff", Family::Picture, "a TIFF picture"},
    {".heic", Family::Picture, "a HEIC picture"},
    {".heif", Family::Picture, "a HEIF picture"},
    {".avif", Family::Picture, "an AVIF picture"},
    {".jxl", Family::Picture, "a JPEG XL picture"},
    {".svg", Family::Picture, "an SVG drawing"},
    {".mp4", Family::Video, "an MP4 video"},
    {".m4v", Family::Video, "an MP4 video"},
    {".mov", Family::Video, "a QuickTime video"},
    {".avi", Family::Video, "an AVI video"},
    {".mkv", Family::Video, "a Matroska video"},
    {".webm", Family::Video, "a WebM video"},
    {".mpg", Family::Video, "an MPEG video"},
    {".mpeg", Family::Video, "an MPEG video"},
    {".wmv", Family::Video, "a WMV video"},
    {".flv", Family::Video, "an FLV video"},
    {".wav", Family::Audio, "a WAV sound file"},
    {".mp3", Family::Audio, "an MP3 sound file"},
    {".flac", Family::Audio, "a FLAC sound file"},
    {".ogg", Family::Audio, "an Ogg sound file"},
    {".opus", Family::Audio, "an Opus sound file"},
    {".m4a", Family::Audio, "an M4A sound file"},
    {".aac", Family::Audio, "an AAC sound file"},
    {".safetensors", Family::Weights, "a file of weights (safetensors)"},
    {".gguf", Family::Weights, "a GGUF model"},
    {".bin", Family::Other, "a binary file"},
    {".pdf", Family::Other, "a PDF document"},
    {".docx", Family::Other, "a Word document"},
    {".yaml", Family::Other, "a YAML file"},
    {".yml", Family::Other, "a YAML file"},
};

bool is_html(std::string_view start) {
  while (!start.empty() && (start[0] == ' ' || start[0] == '\n' || start[0] == '\r'))
    start.remove_prefix(1);
  const std::string head = ascii_lower(std::string(start.substr(0, 16)));
  return head.starts_with("<!doctype html") || head.starts_with("<html");
}

/// How a text of two-byte characters is spread over what EUC-KR and CP949 have.
struct Pairs {
  std::size_t hangul = 0;  // in the rows of common syllables
  std::size_t others = 0;  // what is no symbol either
  bool extended = false;   // CP949's own syllables
  bool valid = true;
};

Pairs count_pairs(std::string_view text) {
  Pairs pairs;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    if (i + 1 >= text.size()) break;  // a sample may end inside a character
    const unsigned trail = byte(i + 1);
    const bool letter = (trail >= 0x41 && trail <= 0x5a) || (trail >= 0x61 && trail <= 0x7a);
    if (lead == 0x80 || lead == 0xff || trail == 0xff || (trail < 0x81 && !letter)) {
      pairs.valid = false;
      return pairs;
    }
    const bool plain = lead >= 0xa1 && trail >= 0xa1;
    if (plain && lead >= 0xb0 && lead <= 0xc8)
      ++pairs.hangul;
    else if (plain && lead <= 0xac && lead != 0xa4 && lead != 0xa5) {
    }  // symbols
    else
      ++pairs.others;
    if (!plain && lead <= 0xc6) pairs.extended = true;
    i += 2;
  }
  return pairs;
}

}  // namespace

FileKind file_kind(std::string_view start) {
  if (start.starts_with('{') || start.starts_with('[')) return {};  // a text, whatever follows
  for (const Magic& magic : kMagics) {
    constexpr std::size_t kInRiff = 8;
    if (magic.at == kInRiff && !start.starts_with("RIFF")) continue;
    if (start.size() >= magic.at && start.substr(magic.at).starts_with(magic.bytes))
      return {magic.family, magic.name};
  }
  if (start.size() > 14 && start.starts_with("BM") && start.substr(6, 4) == "\0\0\0\0"sv)
    return {Family::Picture, "a BMP picture"};
  const bool protocol = start.size() > 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5;
  if (protocol) return {Family::Table, "a Python pickle"};
  if (is_html(start)) return {Family::Other, "a web page (HTML)"};
  return {};
}

FileKind file_kind_by_name(const std::filesystem::path& path) {
  const std::string ending = ascii_lower(path.extension().string());
  for (const Ending& each : kEndings)
    if (ending == each.ending) return {each.family, each.name};
  return {};
}

std::string foreign_encoding(std::string_view text) {
  if (text.starts_with("\xff\xfe\0\0"sv) || text.starts_with("\0\0\xfe\xff"sv)) return "UTF-32";
  if (text.starts_with("\xff\xfe"sv) || text.starts_with("\xfe\xff"sv)) return "UTF-16";
  if (text.size() >= 4) {  // a JSON or YAML text begins with ASCII
    const auto ascii = [&](std::size_t i) { return text[i] > 0; };
    if (ascii(0) && !text[1] && !text[2] && !text[3]) return "UTF-32";
    if (!text[0] && !text[1] && !text[2] && ascii(3)) return "UTF-32";
    // One sign, then another or another script's; without a mark the order is part of the name.
    if (ascii(0) && !text[1] && text[2]) return "UTF-16LE";
    if (!text[0] && ascii(1) && (text[2] || text[3])) return "UTF-16BE";
  }
  if (is_utf8(text)) return {};
  const Pairs pairs = count_pairs(text);
  if (!pairs.valid || pairs.hangul == 0) return {};
  constexpr std::size_t kShare = 4;  // of five; Chinese in GBK has about half of them there
  if (pairs.hangul * (5 - kShare) < pairs.others * kShare) return {};
  return pairs.extended ? "CP949 (extended EUC-KR)" : "CP949 (EUC-KR)";
}

std::optional<Error> text_fault(std::string_view bytes, const std::string& wanted,
                                const std::string& where) {
  const std::string encoding = foreign_encoding(bytes);
  const std::string name = encoding.substr(0, encoding.find(' '));
  if (!encoding.empty())
    return input_error("The file is text in " + encoding + ", and UTF-8 is read.", where,
                       "Save it as UTF-8; with iconv: iconv -f " + name + " -t UTF-8 OLD > NEW");
  if (const FileKind kind = file_kind(bytes.substr(0, 512)); kind.known())
    return input_error("This is " + kind.name + ", not " + wanted + ".", where,
                       kind.family == FileFamily::Pointer ? "Fetch it first: git lfs pull" : "");
  if (!is_utf8(bytes))
    return input_error("The file is not UTF-8 text.", where, "Save it as UTF-8.");
  return std::nullopt;
}

}  // namespace luthier
