// SPDX-License-Identifier: GPL-3.0-or-later
// What a teacher said of a dataset's rows, in a file: for each labelled token its k likeliest
// tokens (objectives/top_k). Safetensors: `ids` int32 and `log_probs` float32 [tokens, k], `rest`
// float32 [tokens], `places` int64 [sequences, 5] (1 of the evaluation rows, the row, its sequence,
// where its tokens begin, how many there are), and in the header's metadata what it was made of.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/batches/batch.h"
#include "engine/io/safetensors.h"
#include "engine/objectives/top_k.h"

namespace luthier {

/// What a file is made of. Empty: not known, and not compared.
struct TeacherFacts {
  std::string teacher;          ///< fingerprint of the checkpoint
  std::string rows, eval_rows;  ///< of the datasets
  std::string processor;        ///< of tokenizer, template and picture processor
  std::string encoding;         ///< how rows are cut and labelled, and pictures' limits
  std::string temperature;      ///< of the distributions
  std::string vocabulary;

  /// An Input error at `where`, which says what of `now` is another one.
  Status check(const TeacherFacts& now, const std::string& where) const;
};
/// Of a model's folder: what turns rows into its inputs.
Result<std::string> fingerprint_processor(const std::filesystem::path& folder);

/// What a teacher said of some sequences.
struct TeacherAnswer {
  struct Place {
    std::int64_t row, sequence, labels;
  };
  std::vector<Place> places;
  TopK kept;  ///< of their labels, one sequence after another; undefined where there are none
};
/// Of a batch, the places.
std::vector<TeacherAnswer::Place> places_of(const Batch& batch);

/// Writes what is known so far beside the place of a run's folder, and takes it away at its end.
class TeacherFileWriter {
 public:
  static Result<std::unique_ptr<TeacherFileWriter>> begin(const std::filesystem::path& beside);
  ~TeacherFileWriter();
  TeacherFileWriter(const TeacherFileWriter&) = delete;
  TeacherFileWriter& operator=(const TeacherFileWriter&) = delete;

  Status add(const TeacherAnswer& said, bool evaluation);
  /// The whole file, in the place of one that is there.
  Status finish(const std::filesystem::path& file, const TeacherFacts& facts);

 private:
  explicit TeacherFileWriter(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Status append(const char* name, const torch::Tensor& tensor) const;

  const std::filesystem::path folder_;
  std::vector<std::int64_t> places_;
  std::int64_t tokens_ = 0, k_ = 0;
};

class TeacherFile {
 public:
  /// Input errors name the file and what in it is wrong.
  static Result<std::shared_ptr<const TeacherFile>> open(const std::filesystem::path& path);

  const TeacherFacts& facts() const { return facts_; }
  std::int64_t k() const { return k_; }
  /// An Input error naming the first of these rows of which it holds nothing.
  Status check_rows(const std::vector<std::int64_t>& rows, bool evaluation) const;
  /// Of the batch's labels, on its device. An exception where it cannot be read or its rows are
  /// others: check and check_rows come before.
  TopK of(const Batch& batch, bool evaluation) const;

 private:
  TeacherFile() = default;
  using Place = std::array<std::int64_t, 3>;  ///< of the evaluation rows, row, sequence

  std::filesystem::path path_;
  TeacherFacts facts_;
  std::optional<TensorView> ids_, log_probs_, rest_;
  std::map<Place, std::array<std::int64_t, 2>> places_;  ///< → begin, count
  std::int64_t k_ = 0, vocabulary_ = 0;
};

}  // namespace luthier
