// SPDX-License-Identifier: GPL-3.0-or-later
// Parquet and Arrow files as rows, across a plain C border: what stands behind it is a module of
// its own (libluthier_arrow.so), which alone knows Apache Arrow's headers and is loaded when the
// first such file is opened (data/sources/arrow_library). Texts that a function gives are the
// caller's, to be given back by luthier_arrow_free; a function that fails gives null and leaves a
// sentence in `*fault`. Any thread may read any table.
#pragma once

#include <cstdint>

extern "C" {

struct LuthierArrowTable;

/// Changes with every change of what stands below: a module of another build is refused.
#define LUTHIER_ARROW_VERSION 1

struct LuthierArrowEntries {
  std::uint32_t version;
  LuthierArrowTable* (*open)(const char* path, char** fault);
  void (*close)(LuthierArrowTable* table);
  std::uint64_t (*rows)(const LuthierArrowTable* table);
  /// The row as a JSON object in UTF-8; bytes are base64. `*size` gets its length.
  char* (*row)(LuthierArrowTable* table, std::uint64_t row, std::uint64_t* size, char** fault);
  /// What the file's schema carries under this key ("huggingface"), or null.
  char* (*note)(const LuthierArrowTable* table, const char* key);
  void (*free_text)(char* text);
};

/// The module's one entry.
const LuthierArrowEntries* luthier_arrow_entries();
}
