// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/teacher_file.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>

#include "engine/io/files.h"
#include "engine/io/named_place.h"
#include "engine/io/probe.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

constexpr std::int64_t kOfPlace = 5;
constexpr const char* kIds = "ids";
constexpr const char* kLogProbs = "log_probs";
constexpr const char* kRest = "rest";
constexpr const char* kPlaces = "places";
constexpr const char* kFormat = "luthier.teacher_top_k";

struct Fact {
  const char* key;
  std::string TeacherFacts::*value;
  const char* differs;
};
const std::vector<Fact>& facts_in_file() {
  static const std::vector<Fact> facts{
      {"teacher", &TeacherFacts::teacher, "The file is what another teacher said."},
      {"rows", &TeacherFacts::rows, "The file is about other training data."},
      {"eval_rows", &TeacherFacts::eval_rows, "The file is about other evaluation data."},
      {"processor", &TeacherFacts::processor,
       "The file was made with another tokenizer, template or picture processor."},
      {"encoding", &TeacherFacts::encoding, "The file is of rows that were made otherwise."},
      {"temperature", &TeacherFacts::temperature, "The file is of another temperature."},
      {"vocabulary", &TeacherFacts::vocabulary, "The file is of another vocabulary."}};
  return facts;
}

Error unusable(const fs::path& path, const std::string& what) {
  return input_error(what, path.string(),
                     "Make it again with teacher_top_k, or name the teacher itself.");
}

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()),
          static_cast<std::size_t>(tensor.nbytes())};
}

/// A tensor of the file that has this type and shape.
Result<TensorView> view_of(const SafetensorsFile& file, const char* name, DType type,
                           const std::vector<std::int64_t>& shape) {
  auto view = file.find(name);
  if (!view || view->info.dtype != type || view->info.shape != shape)
    return unusable(file.path(), std::string("The file has no tensor ") + name +
                                     " as one of a teacher's has it.");
  return *view;
}

/// Rows [begin, begin + count) of a tensor of `width` numbers a row.
Tensor read_rows(const TensorView& view, torch::ScalarType type, std::int64_t begin,
                 std::int64_t count, std::int64_t width) {
  const Tensor into = torch::empty({count, width}, type);
  const auto row = static_cast<std::uint64_t>(width) * into.element_size();
  const Status read = view.read(
      static_cast<std::uint64_t>(begin) * row,
      {static_cast<std::byte*>(into.mutable_data_ptr()), static_cast<std::size_t>(into.nbytes())});
  TORCH_CHECK(read, read ? std::string() : read.error().sentence());
  return into;
}

}  // namespace

Status TeacherFacts::check(const TeacherFacts& now, const std::string& where) const {
  for (const Fact& fact : facts_in_file()) {
    const std::string &made = this->*fact.value, &wanted = now.*fact.value;
    if (made == wanted || made.empty() || wanted.empty()) continue;
    const bool readable = made.size() < 60 && wanted.size() < 60;
    return input_error(fact.differs, where,
                       (readable ? "It has " + made + ", and this run " + wanted + ". " : "") +
                           "Make it again with teacher_top_k, or name the teacher itself.");
  }
  return {};
}

Result<std::string> fingerprint_processor(const fs::path& folder) {
  std::string all;
  for (const std::string& name : names_in(folder)) {
    const bool turns = name.find("token") != std::string::npos ||
                       name.find("processor") != std::string::npos ||
                       name.find("template") != std::string::npos ||
                       name.find("vocab") != std::string::npos || name == "merges.txt";
    std::error_code ignored;
    if (!turns || !fs::is_regular_file(folder / name, ignored)) continue;
    LUTHIER_TRY(const std::string digest, sha256_file(folder / name));
    all += name + " " + digest + "\n";
  }
  return sha256_bytes(std::as_bytes(std::span(all)));
}

std::vector<TeacherAnswer::Place> places_of(const Batch& batch) {
  std::vector<TeacherAnswer::Place> places;
  for (const Batch::Sequence& place : batch.sequences)
    places.push_back({batch.rows->rows[place.row], static_cast<std::int64_t>(place.number),
                      count_labels(batch.rows->encoded[place.row].sequences[place.number])});
  return places;
}

Result<std::unique_ptr<TeacherFileWriter>> TeacherFileWriter::begin(const fs::path& beside) {
  const fs::path folder = place_beside(beside, ".teacher");
  std::error_code problem;
  fs::remove_all(folder, problem);
  fs::create_directories(folder, problem);
  if (problem)
    return machine_error("What the teacher says cannot be kept: " + problem.message(),
                         folder.string());
  return std::unique_ptr<TeacherFileWriter>(new TeacherFileWriter(folder));
}

TeacherFileWriter::~TeacherFileWriter() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Status TeacherFileWriter::append(const char* name, const Tensor& tensor) const {
  std::ofstream file(folder_ / name, std::ios::binary | std::ios::app);
  file << bytes_of(tensor);
  file.flush();
  if (file) return {};
  return machine_error("What the teacher says cannot be kept; the disk may be full.",
                       (folder_ / name).string());
}

Status TeacherFileWriter::add(const TeacherAnswer& said, bool evaluation) {
  for (const TeacherAnswer::Place& place : said.places) {
    places_.insert(places_.end(),
                   {evaluation ? 1 : 0, place.row, place.sequence, tokens_, place.labels});
    tokens_ += place.labels;
  }
  const TopK& kept = said.kept;
  if (!kept.ids.defined()) return {};
  k_ = kept.ids.size(1);
  LUTHIER_CHECK(append(kIds, kept.ids.to(torch::kCPU, torch::kInt32).contiguous()));
  LUTHIER_CHECK(append(kLogProbs, kept.log_probs.to(torch::kCPU).contiguous()));
  return append(kRest, kept.rest.to(torch::kCPU).contiguous());
}

Status TeacherFileWriter::finish(const fs::path& file, const TeacherFacts& facts) {
  const std::int64_t sequences = std::ssize(places_) / kOfPlace;
  const std::vector<TensorOutline> outlines{{kIds, DType::I32, {tokens_, k_}},
                                            {kLogProbs, DType::F32, {tokens_, k_}},
                                            {kRest, DType::F32, {tokens_}},
                                            {kPlaces, DType::I64, {sequences, kOfPlace}}};
  const auto give = [&](std::size_t index, const TakeBytes& take) -> Status {
    const std::string& name = outlines[index].name;
    if (name == kPlaces) return take(std::as_bytes(std::span(places_)));
    if (tokens_ == 0) return {};
    std::ifstream from(folder_ / name, std::ios::binary);
    std::vector<char> piece(1 << 20);
    while (from) {
      from.read(piece.data(), static_cast<std::streamsize>(piece.size()));
      if (from.gcount() == 0) break;
      LUTHIER_CHECK(
          take(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(from.gcount())))));
    }
    return {};
  };
  std::map<std::string, std::string> metadata{{"format", kFormat}};
  for (const Fact& fact : facts_in_file()) metadata[fact.key] = facts.*fact.value;
  // Beside its place: the run's folder may lead to another disk.
  const fs::path partial = file.parent_path() / ("." + file.filename().string() + ".partial");
  Status put = write_safetensors(partial, outlines, give, metadata);
  if (put) put = sync_file(partial);
  if (put) put = rename_path(partial, file);
  if (put) return sync_folder(file.parent_path());
  std::error_code ignored;
  fs::remove(partial, ignored);
  return put;
}

Result<std::shared_ptr<const TeacherFile>> TeacherFile::open(const fs::path& path) {
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  const std::map<std::string, std::string>& metadata = file.header().metadata;
  const auto format = metadata.find("format");
  if (format == metadata.end() || format->second != kFormat)
    return unusable(path, "The file is none of what a teacher said.");
  std::shared_ptr<TeacherFile> made(new TeacherFile());
  made->path_ = path;
  for (const Fact& fact : facts_in_file())
    if (const auto found = metadata.find(fact.key); found != metadata.end())
      made->facts_.*fact.value = found->second;
  const auto ids = file.find(kIds), places = file.find(kPlaces);
  if (!ids || ids->info.shape.size() != 2 || ids->info.shape[1] < 1 || !places ||
      places->info.shape.size() != 2)
    return unusable(path, "The file lacks ids or places.");
  const std::int64_t tokens = ids->info.shape[0], k = ids->info.shape[1],
                     sequences = places->info.shape[0];
  made->k_ = k;
  const std::string& size = made->facts_.vocabulary;
  std::from_chars(size.data(), size.data() + size.size(), made->vocabulary_);
  if (made->vocabulary_ < k)
    return unusable(path, "The file does not say how many tokens its teacher has.");
  LUTHIER_TRY(made->ids_, view_of(file, kIds, DType::I32, {tokens, k}));
  LUTHIER_TRY(made->log_probs_, view_of(file, kLogProbs, DType::F32, {tokens, k}));
  LUTHIER_TRY(made->rest_, view_of(file, kRest, DType::F32, {tokens}));
  LUTHIER_TRY(const TensorView table, view_of(file, kPlaces, DType::I64, {sequences, kOfPlace}));
  LUTHIER_TRY(const std::vector<std::byte> bytes, table.bytes());
  for (std::int64_t i = 0; i < sequences; ++i) {
    std::array<std::int64_t, kOfPlace> row{};
    std::memcpy(row.data(), bytes.data() + static_cast<std::size_t>(i) * sizeof row, sizeof row);
    const auto [evaluation, number, sequence, begin, count] = row;
    if (begin < 0 || count < 0 || begin > tokens || count > tokens - begin)
      return unusable(path,
                      "The file's places[" + std::to_string(i) + "] lie outside of its tokens.");
    made->places_[{evaluation, number, sequence}] = {begin, count};
  }
  return std::shared_ptr<const TeacherFile>(std::move(made));
}

Status TeacherFile::check_rows(const std::vector<std::int64_t>& rows, bool evaluation) const {
  for (const std::int64_t row : rows)
    if (!places_.contains({evaluation ? 1 : 0, row, 0}))
      return unusable(path_, std::string("The teacher was not asked about row ") +
                                 std::to_string(row + 1) +
                                 (evaluation ? " of the evaluation data." : " of the data."));
  return {};
}

TopK TeacherFile::of(const Batch& batch, bool evaluation) const {
  std::vector<Tensor> ids, log_probs, rest;
  for (const Batch::Sequence& place : batch.sequences) {
    const std::int64_t row = batch.rows->rows[place.row];
    const auto found =
        places_.find({evaluation ? 1 : 0, row, static_cast<std::int64_t>(place.number)});
    TORCH_CHECK(found != places_.end(), path_.string(), ": row ", row + 1, " is not there");
    const auto [begin, count] = found->second;
    TORCH_CHECK(count == count_labels(batch.rows->encoded[place.row].sequences[place.number]),
                path_.string(), ": row ", row + 1, " has other tokens");
    ids.push_back(read_rows(*ids_, torch::kInt32, begin, count, k_));
    log_probs.push_back(read_rows(*log_probs_, torch::kFloat32, begin, count, k_));
    rest.push_back(read_rows(*rest_, torch::kFloat32, begin, count, 1));
  }
  const torch::Device device = batch.input.input_ids.device();
  TopK kept;
  kept.ids = at::cat(ids).to(torch::kInt64);
  TORCH_CHECK(kept.ids.numel() == 0 || (kept.ids.min().item<std::int64_t>() >= 0 &&
                                        kept.ids.max().item<std::int64_t>() < vocabulary_),
              path_.string(), ": ids holds a token that the teacher does not have");
  kept.ids = kept.ids.to(device);
  kept.log_probs = at::cat(log_probs).to(device);
  kept.rest = at::cat(rest).squeeze(1).to(device);
  return kept;
}

}  // namespace luthier
