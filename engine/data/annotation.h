// SPDX-License-Identifier: GPL-3.0-or-later
// A folder of pictures that becomes a dataset: each picture is asked some questions, and a person
// types, takes over, compares or judges the answers one after another. The dataset is a JSONL file
// that training reads as it is; a file NAME.annotation.json beside it keeps what was chosen and
// what was passed over, so that the work goes on another day. Both are whole after every answer. No
// picture is ever touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// What an item's row is: one answer (`messages`), two of which one is better (`chosen`,
/// `rejected`), or one and whether it is good (`completion`, `label`).
enum class AnnotationKind { Answers, Pairs, Thumbs };
inline constexpr const char* kAnnotationKinds[] = {"answers", "pairs", "thumbs"};

struct AnnotationPlan {
  std::filesystem::path pictures;  ///< the folder, with all below it
  AnnotationKind kind = AnnotationKind::Answers;
  /// Each is asked about each picture. {file} stands for its name without its ending, _ and - as
  /// spaces; {folder} for that of the folder it lies in.
  std::vector<std::string> questions;
};

/// Who made an answer, where that was a model.
struct AnswerMaker {
  std::string model, adapter;  ///< no adapter: the base alone
  bool edited = false;         ///< and a person changed it
  Json how = nullptr;          ///< of answers that no person looked at: by what they were kept
};

struct AnnotationItem {
  enum class State { Open, Done, Skipped };
  std::filesystem::path picture;
  std::size_t number = 0;  ///< of its question, from 0
  std::string question;    ///< as it is asked: the plan's, or as it was changed for this one
  std::string answer;      ///< of Pairs the better one
  std::string rejected;    ///< of Pairs alone
  bool good = true;        ///< of Thumbs alone
  std::optional<AnswerMaker> maker;  ///< nobody: the person typed it
  State state = State::Open;
};

class Annotation {
 public:
  /// Where the plan of a dataset file stands.
  static std::filesystem::path plan_file(const std::filesystem::path& file);
  /// A new one, for a file that is not there yet. Input errors name what is missing: a folder with
  /// pictures, a question.
  static Result<Annotation> begin(const AnnotationPlan& plan, const std::filesystem::path& file);
  /// Goes on with one that was begun; pictures that have come since are open, and rows that are
  /// about none of them stay in the file as they are.
  static Result<Annotation> open(const std::filesystem::path& file);

  const AnnotationPlan& plan() const { return plan_; }
  const std::filesystem::path& file() const { return file_; }
  /// Picture by picture, in the order of their paths.
  const std::vector<AnnotationItem>& items() const { return items_; }
  std::size_t count(AnnotationItem::State state) const;
  /// The first open item behind `index`, else the first of all; nullopt: none is open.
  std::optional<std::size_t> next_open(std::size_t index) const;

  /// Its row stands in the file from here on. Input errors: an empty question or answer, a pair
  /// whose answers are equal.
  Status accept(std::size_t index, AnnotationItem item);
  Status skip(std::size_t index);
  /// Takes its row out again.
  Status reopen(std::size_t index);

 private:
  Status fill();
  Status take_rows();
  Status put(std::size_t index, AnnotationItem item);
  Status write();
  std::string line_of(const AnnotationItem& item) const;
  Json plan_json() const;

  AnnotationPlan plan_;
  std::filesystem::path file_;
  std::vector<AnnotationItem> items_;
  /// Of each item that is done its line in the file: what was added to one by hand stays until the
  /// item is accepted anew.
  std::map<std::size_t, std::string> lines_;
  std::string plan_written_;         ///< as it stands beside the file, where we wrote it
  std::vector<std::string> others_;  ///< lines about none of the items
  std::set<std::pair<std::string, std::size_t>> skipped_;  ///< picture from the folder, question
};

}  // namespace luthier
