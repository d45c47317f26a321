// SPDX-License-Identifier: GPL-3.0-or-later
// What to change when a run will not fit: single settings, each tried on the same sums.
#include <algorithm>
#include <set>

#include "engine/base/text.h"
#include "engine/forecast/trained.h"
#include "engine/objectives/objective.h"

namespace luthier {
namespace {

std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words;
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('.', start), name.size());
    words.push_back(name.substr(start, end - start));
    start = end + 1;
  }
  return words;
}

}  // namespace

std::string pattern_of_part(const ModelSummary& model, const std::string& part) {
  std::vector<std::string> common;  // what the names of the part's modules begin with
  bool any = false;
  for (const ModuleSummary& module : model.modules) {
    if (module.part != part) continue;
    const std::vector<std::string> words = words_of(module.name);
    if (!any) common.assign(words.begin(), words.end() - 1);
    any = true;
    const auto ends = std::mismatch(common.begin(), common.end(), words.begin(), words.end());
    common.erase(ends.first, common.end());
  }
  if (!any || common.empty()) return "";
  std::string prefix;
  for (const std::string& word : common) prefix += word + ".";
  // Another part may lie under the same name; then those words are named that follow it.
  std::set<std::string> own, others;
  for (const ModuleSummary& module : model.modules) {
    if (!module.name.starts_with(prefix)) continue;
    (module.part == part ? own : others).insert(words_of(module.name).at(common.size()));
  }
  if (others.empty()) return ".*" + common.back() + ".*";
  std::string choice;
  for (const std::string& word : own) {
    if (!others.contains(word)) choice += (choice.empty() ? "" : "|") + word;
  }
  return choice.empty() ? "" : ".*" + common.back() + "\\.(" + choice + ").*";
}

std::vector<std::string> advise(const ModelSummary& model, const Recipe& recipe,
                                const BatchShape& batch, const StepTerms& terms,
                                const CardFacts* card, std::int64_t total,
                                const RankPlan& ranks) {
  std::vector<std::pair<std::int64_t, std::string>> options;
  const auto consider = [&](const std::string& what, const Recipe& changed, const BatchShape& shape,
                            const StepTerms& changed_terms) {
    const auto made = estimate(model, changed, shape, changed_terms, card, ranks);
    if (made && made->parts.total() < total * 97 / 100)
      options.emplace_back(made->parts.total(), what + ": " + size_text(made->parts.total()));
  };
  if (!terms.checkpointing) {
    StepTerms changed = terms;
    changed.checkpointing = true;
    consider("training.gradient_checkpointing: true", recipe, batch, changed);
  }
  // Where a window's rows are looked at together, fewer of them are another loss.
  const auto objective = make_objective(recipe);
  const bool whole = objective && (*objective)->window_rule() == WindowRule::Whole;
  if (batch.batch_size > 1 && !whole) {
    BatchShape smaller = batch;
    smaller.batch_size = 1;
    smaller.beginnings.clear();
    smaller.others.clear();
    smaller.lengths.resize(std::min<std::size_t>(1, smaller.source_lengths.size()));
    smaller.source_lengths.resize(smaller.lengths.size());
    smaller.micro_batches = batch.batch_size * std::max<std::int64_t>(1, batch.micro_batches);
    PictureLoad& pictures = smaller.pictures;
    for (std::int64_t* part :
         {&smaller.tokens, &smaller.labels, &pictures.images, &pictures.frames, &pictures.patches,
          &pictures.numbers, &pictures.tile_numbers, &pictures.tokens}) {
      *part = (*part + batch.batch_size - 1) / batch.batch_size;
    }
    consider("training.per_device_train_batch_size: 1 (with gradient_accumulation_steps " +
                 std::to_string(recipe.training.gradient_accumulation_steps * batch.batch_size) +
                 ")",
             recipe, smaller, terms);
  }
  if (const std::int64_t row = batch.tokens / std::max<std::int64_t>(1, batch.batch_size);
      row > 256) {
    BatchShape shorter = batch;  // never inside the pictures
    const std::int64_t length = std::max<std::int64_t>(
        row / 2, batch.pictures.tokens / std::max<std::int64_t>(1, batch.batch_size) + 64);
    shorter.tokens = length * batch.batch_size;
    shorter.beginnings.clear();
    shorter.others.clear();
    if (shorter.source_lengths.empty()) shorter.lengths.clear();
    for (std::size_t i = 0; i < shorter.lengths.size(); ++i)
      shorter.lengths[i] =
          std::clamp<std::int64_t>(length - shorter.source_lengths[i], 1, shorter.lengths[i]);
    shorter.labels = std::min(batch.labels, shorter.tokens);
    if (length < row)
      consider("training.max_length: " + std::to_string(length), recipe, shorter, terms);
  }
  if (terms.element == 4) {
    StepTerms changed = terms;
    changed.element = 2;
    consider("training.dtype: bfloat16", recipe, batch, changed);
  }
  Recipe changed = recipe;
  if (!method_kind(recipe.strategy).hangs_adapter()) {
    const auto hangs = [](const MethodKind& kind) { return kind.hangs_adapter(); };
    changed.strategy = std::find_if(method_kinds().begin(), method_kinds().end(), hangs)->name;
    consider("strategy: " + changed.strategy, changed, batch, terms);
  }
  if (has_setting(recipe, "adapter.r")) {
    changed.adapter.r = std::max<std::int64_t>(1, recipe.adapter.r / 4);
    consider("adapter.r: " + std::to_string(changed.adapter.r), changed, batch, terms);
  }
  if (has_setting(recipe, "adapter.exclude_modules")) {
    const std::string tower = pattern_of_part(model, "vision_tower");
    if (!tower.empty() && recipe.adapter.exclude_modules.kind == ModuleSelector::Kind::None) {
      changed = recipe;
      changed.adapter.exclude_modules = {ModuleSelector::Kind::Regex, {}, tower};
      consider("adapter.exclude_modules: '" + tower + "'", changed, batch, terms);
    }
  }
  std::sort(options.begin(), options.end());
  std::vector<std::string> advice;
  for (const auto& [bytes, text] : options) advice.push_back(text);
  return advice;
}

}  // namespace luthier
