// SPDX-License-Identifier: GPL-3.0-or-later
// The table of kinds, and the first of them: a conversation whose answers are learned.
#include "engine/data/row_kind.h"

#include <algorithm>

#include "engine/config/kinds.h"
#include "engine/config/rollouts.h"
#include "engine/data/mask_rows.h"
#include "engine/data/picture_rows.h"
#include "engine/data/prefix_rows.h"
#include "engine/data/region_rows.h"
#include "engine/data/sentence_pair_rows.h"

namespace luthier {

namespace {

class AnswerRows : public RowKind {
 public:
  const char* name() const override { return "answers"; }
  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    if (row.chosen) {
      if (fault) *fault = RowFault::BadRow;
      return input_error(
          "The row has a chosen and a rejected answer, and the objective learns from one.", where,
          "Choose an objective that compares answers, such as dpo, or rows with one answer.");
    }
    auto example = how.outline
                       ? processor.measure_training(row, how.loss_on, how.max_length, where, fault,
                                                    how.size_of)
                       : processor.encode_training(row, how.loss_on, how.max_length, where, fault);
    if (!example) return example.error();
    EncodedRow encoded;
    encoded.sequences.push_back(example.take());
    return encoded;
  }
};

class AnyRows : public RowKind {
 public:
  const char* name() const override { return "any"; }
  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    for (const RowKind* kind : row_kinds()) {
      if (!row.is_object() || !kind->recognises(row)) continue;
      LUTHIER_TRY(Conversation read, kind->read(row, base, where, fault));
      read.kind = kind->name();
      return read;
    }
    return answer_rows().read(row, base, where, fault);
  }
  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    const RowKind* kind = find_row_kind(row.kind);
    return (kind ? *kind : answer_rows()).encode(row, processor, how, where, fault);
  }
};

}  // namespace

std::int64_t count_labels(const Example& example) {
  if (example.labels.empty()) return 0;
  return std::count_if(example.labels.begin() + 1, example.labels.end(),
                       [](std::int64_t label) { return label != kIgnoreLabel; });
}

std::int64_t EncodedRow::tokens() const {
  std::int64_t sum = 0;
  for (const Example& each : sequences)
    sum += static_cast<std::int64_t>(each.input_ids.size() + each.source_ids.size());
  return sum;
}

std::int64_t EncodedRow::labels() const {
  std::int64_t sum = 0;
  for (const Example& each : sequences) sum += count_labels(each);
  return sum;
}

Result<Conversation> RowKind::read(const Json& row, const std::filesystem::path& base,
                                   const std::string& where, RowFault* fault) const {
  return read_conversation(row, base, where, fault);
}

const RowKind& answer_rows() {
  static const AnswerRows kind;
  return kind;
}

const RowKind& any_rows() {
  static const AnyRows kind;
  return kind;
}

const std::vector<const RowKind*>& row_kinds() {
  static const std::vector<const RowKind*> kinds{
      &answer_rows(),        &preference_rows(), &whole_preference_rows(),
      &unpaired_rows(),      &region_rows(),     &mask_rows(),
      &caption_rows(),       &text_rows(),       &prompt_rows(),
      &rollout_rows(),       &stepwise_rows(),   &class_rows(),
      &action_rows(),        &picture_rows(),    &view_rows(),
      &sentence_pair_rows(), &prefix_rows()};
  return kinds;
}

const RowKind* find_row_kind(std::string_view name) {
  const auto& kinds = row_kinds();
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [&](const RowKind* kind) { return kind->name() == name; });
  return found == kinds.end() ? nullptr : *found;
}

Result<Conversation> read_row(const Dataset& dataset, std::size_t row, const RowKind& kind,
                              RowFault* fault) {
  if (fault) *fault = RowFault::BadRow;
  LUTHIER_TRY(const Json json, dataset.row(row));
  return kind.read(json, dataset.folder_of(row), dataset.where(row), fault);
}

Result<Conversation> read_row_file(const std::filesystem::path& path,
                                   const std::filesystem::path& image_folder) {
  LUTHIER_TRY(const Json row, read_json_file(path));
  return any_rows().read(row, image_folder.empty() ? path.parent_path() : image_folder,
                         path.string(), nullptr);
}

const RowKind& row_kind_of(const Recipe& recipe) {
  if (!rollouts_of(recipe).empty()) return rollout_rows();
  const RowKind* kind = find_row_kind(objective_kind(recipe.objective).row_kind);
  return kind ? kind->under(recipe) : any_rows();
}

LossOn loss_on_from_name(const std::string& name) {
  return name == "assistant" ? LossOn::Assistant : name == "all" ? LossOn::All : LossOn::Completion;
}

}  // namespace luthier
