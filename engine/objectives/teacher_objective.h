// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives that learn from a teacher have in common: a frozen model of its own, asked about
// the micro-batch first, and the distance of the model's next-token distributions from its, over
// the labelled tokens. Or it was asked about all rows beforehand, and its likeliest tokens stand in
// a file.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/objectives/asked_in_shares.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/teacher_file.h"

namespace luthier {

class TeacherObjective : public Objective, public AskedInShares {
 public:
  /// `section`: of the recipe.
  TeacherObjective(const Recipe& recipe, const std::string& section, double temperature,
                   bool tells_entropy);

  Status can_begin() const override;
  WindowRule window_rule() const override { return WindowRule::Counts; }
  bool needs_reference() const override { return !said_ && given_.empty(); }
  bool reference_teaches() const override { return true; }
  bool asks_reference_beforehand() const override { return top_k_ && !said_; }
  std::string reference_checkpoint() const override { return teacher_; }
  const char* reference_field() const override { return field_.c_str(); }
  std::string asked_file() const override { return given_; }
  const char* file_of_asked() const override { return top_k_ ? "teacher.safetensors" : nullptr; }
  Status ask_beforehand(Policy& policy, const MicroBatch& rows, bool evaluation) override;
  void keep_beside(const std::filesystem::path& place) override { beside_ = place; }
  void leave_to_another() override { kept_elsewhere_ = true; }
  Json answer_beforehand(Policy& policy, const MicroBatch& rows) override;
  Status take_answer(const Json& said, bool evaluation) override;
  Status keep_asked(const std::filesystem::path& file, const AskedAbout& about) override;
  Status read_asked(const std::filesystem::path& file, const AskedAbout& about) override;
  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }
  LossSum loss(Policy& policy, const Batch& batch) override;
  LossCost cost(const Pass& pass, const HeadCost& head) const override;
  NamedTensors shown(Policy& policy, const Batch& batch) override;

 private:
  Result<TeacherFacts> facts(const AskedAbout& about) const;
  TeacherAnswer answer(Policy& policy, const MicroBatch& rows) const;
  Status begin_asking();

  const std::string field_, given_field_, teacher_, given_;
  const std::optional<std::int64_t> top_k_;
  std::filesystem::path beside_;  ///< of what was said so far
  const Divergence divergence_;
  const bool tells_entropy_;
  bool kept_elsewhere_ = false;
  std::unique_ptr<TeacherFileWriter> asked_;
  std::shared_ptr<const TeacherFile> said_;
};

}  // namespace luthier
