// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/hub/listing.h"

#include <algorithm>
#include <set>

#include "engine/base/utf8.h"
#include "engine/hub/places.h"
#include "engine/io/json.h"

namespace luthier {

namespace {

constexpr std::uint64_t kLargestFile = 1ull << 50;
constexpr std::uint64_t kLargestTextFile = 1ull
                                           << 30;  // a JSON or tokenizer file beyond this is none
constexpr const char* kMislead = "The hub is broken, or this is no hub. Check HF_ENDPOINT.";

std::string extension(const std::string& name) {
  const auto dot = name.find_last_of("./");
  return dot == std::string::npos || name[dot] == '/' ? std::string() : name.substr(dot);
}

std::string last_part(const std::string& name) { return name.substr(name.find_last_of('/') + 1); }

bool is_pickle(const std::string& name) {
  const std::string end = extension(name);
  return end == ".bin" || end == ".pt" || end == ".pth" || end == ".pkl" || end == ".ckpt";
}

bool is_wanted(const std::string& name) {
  static const std::set<std::string> texts{"merges.txt", "vocab.txt", "added_tokens.txt",
                                           "special_tokens.txt"};
  const std::string end = extension(name);
  return end == ".safetensors" || end == ".json" || end == ".jinja" || end == ".model" ||
         end == ".tiktoken" || texts.contains(last_part(name));
}

const SortedJson* field(const SortedJson& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<std::uint64_t>> size_field(const SortedJson& object,
                                                const std::string& where) {
  const SortedJson* value = field(object, "size");
  if (!value) return std::optional<std::uint64_t>();
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() > kLargestFile)
    return input_error("This is not the size of a file.", where + ": size", kMislead);
  return std::optional(value->get<std::uint64_t>());
}

Result<std::string> hash_field(const SortedJson& object, const char* key, std::size_t digits,
                               const std::string& where) {
  const SortedJson* value = field(object, key);
  if (!value) return std::string();
  if (!value->is_string() || !is_hex(value->get_ref<const std::string&>(), digits))
    return input_error("This is not a hash.", where + ": " + key, kMislead);
  return value->get<std::string>();
}

Result<HubFile> read_sibling(const SortedJson& sibling, const std::string& where) {
  if (!sibling.is_object())
    return input_error("A file of the repository must be an object.", where + ": siblings",
                       kMislead);
  const SortedJson* name = field(sibling, "rfilename");
  if (!name || !name->is_string())
    return input_error("A file of the repository has no name.", where + ": siblings: rfilename",
                       kMislead);
  HubFile file;
  file.name = name->get<std::string>();
  LUTHIER_CHECK(check_hub_file_name(file.name, where));
  const std::string place = where + ": " + file.name;
  LUTHIER_TRY(file.size, size_field(sibling, place));
  const SortedJson* lfs = field(sibling, "lfs");
  if (lfs && lfs->is_object()) {
    LUTHIER_TRY(file.hash, hash_field(*lfs, "sha256", 64, place + ": lfs"));
    LUTHIER_TRY(const auto size, size_field(*lfs, place + ": lfs"));
    if (size && file.size && *size != *file.size)
      return input_error("The hub says two sizes for this file.", place, kMislead);
    if (size) file.size = size;
  } else {
    LUTHIER_TRY(file.hash, hash_field(sibling, "blobId", 40, place));
  }
  return file;
}

}  // namespace

Result<HubListing> parse_listing(std::string_view json, const std::string& where) {
  JsonLimits limits;
  limits.max_bytes = kMaxListingBytes;
  LUTHIER_TRY(const SortedJson answer, parse_sorted_json(json, where, limits));
  if (!answer.is_object())
    return input_error("The hub's answer is not an object.", where, kMislead);
  HubListing listing;
  const SortedJson* commit = field(answer, "sha");
  const std::size_t digits =
      commit && commit->is_string() ? commit->get_ref<const std::string&>().size() : 0;
  if (digits < 7 || digits > 64 || !is_hex(commit->get_ref<const std::string&>(), digits)) {
    return input_error("The hub does not say which commit this is.", where + ": sha", kMislead);
  }
  listing.commit = commit->get<std::string>();
  const SortedJson* siblings = field(answer, "siblings");
  if (!siblings || !siblings->is_array())
    return input_error("The hub does not list the repository's files.", where + ": siblings",
                       kMislead);
  if (siblings->size() > kMaxListedFiles) {
    return input_error("The hub lists " + std::to_string(siblings->size()) + " files; at most " +
                           std::to_string(kMaxListedFiles) + " are read.",
                       where + ": siblings");
  }
  std::set<std::string> names;
  for (const SortedJson& sibling : *siblings) {
    LUTHIER_TRY(HubFile file, read_sibling(sibling, where));
    if (!names.insert(file.name).second)
      return input_error("The file " + shortened(file.name, 120) + " is listed twice.",
                         where + ": siblings", kMislead);
    listing.files.push_back(std::move(file));
  }
  // A name that is a file here and a folder there cannot be laid down.
  for (const std::string& name : names)
    for (auto slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1))
      if (names.contains(name.substr(0, slash)))
        return input_error(
            "The name " + shortened(name.substr(0, slash), 120) + " is a file and a folder.",
            where + ": siblings", kMislead);
  return listing;
}

Result<std::vector<HubFile>> files_to_fetch(const HubListing& listing, const std::string& where) {
  std::vector<HubFile> files;
  std::string pickle;
  bool weights = false, usual = false;
  for (const HubFile& file : listing.files) {
    if (is_pickle(file.name)) pickle = file.name;
    if (!is_wanted(file.name)) continue;
    if (extension(file.name) != ".safetensors" && file.size.value_or(0) > kLargestTextFile)
      return input_error("This file is said to have " + std::to_string(*file.size) +
                             " bytes, too many for its kind.",
                         where + ": " + file.name, kMislead);
    weights = weights || extension(file.name) == ".safetensors";
    usual =
        usual || file.name == "model.safetensors" || file.name == "model.safetensors.index.json";
    files.push_back(file);
  }
  if (!weights && !pickle.empty()) {
    return input_error(
        "The weights are in a pickle file (" + shortened(pickle, 120) +
            "), which could run code when read, and there are no safetensors.",
        where, "Look for another repository or revision of this model that holds safetensors.");
  }
  if (!weights) {
    return input_error(
        "The repository holds no safetensors file, so there are no weights to fetch.", where,
        "Check the id; a repository of transformers weights holds config.json and "
        "model.safetensors.");
  }
  // The original layout of some publishers stands beside transformers' and has the same bytes.
  if (usual)
    std::erase_if(files, [](const HubFile& file) {
      return file.name.starts_with("consolidated") && extension(file.name) == ".safetensors";
    });
  std::stable_sort(files.begin(), files.end(), [](const HubFile& a, const HubFile& b) {
    const bool large_a = extension(a.name) == ".safetensors",
               large_b = extension(b.name) == ".safetensors";
    return large_a != large_b ? large_b : a.name < b.name;
  });
  return files;
}

Result<std::vector<HubFile>> dataset_files(const HubListing& listing, const std::string& where) {
  static const std::set<std::string> rows{".parquet", ".arrow", ".jsonl", ".ndjson",
                                          ".json",    ".csv",   ".tsv",   ".tar"};
  static const std::set<std::string> beside{".png", ".jpg",  ".jpeg", ".webp",   ".gif",
                                            ".bmp", ".tiff", ".txt",  ".caption"};
  std::vector<HubFile> files;
  bool some = false, packed = false;
  for (const HubFile& file : listing.files) {
    std::string end = extension(file.name);
    std::transform(end.begin(), end.end(), end.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const bool picture = beside.contains(end) && end != ".txt" && end != ".caption";
    packed = packed || end == ".zip" || end == ".gz" || end == ".tgz" || end == ".zst";
    some = some || picture || (rows.contains(end) && last_part(file.name) != "dataset_infos.json");
    if (rows.contains(end) || beside.contains(end)) files.push_back(file);
  }
  if (!some)
    return input_error(packed ? "The repository's rows are in archives (ZIP, gzip), which are not "
                                "read."
                              : "The repository holds no rows that are read.",
                       where,
                       "Look for one that holds Parquet, Arrow, JSON, CSV or tar files; of most "
                       "datasets the revision refs/convert/parquet does.");
  std::stable_sort(files.begin(), files.end(), [](const HubFile& a, const HubFile& b) {
    return a.size.value_or(0) != b.size.value_or(0) ? a.size.value_or(0) < b.size.value_or(0)
                                                    : a.name < b.name;
  });
  return files;
}

}  // namespace luthier
