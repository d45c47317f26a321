// SPDX-License-Identifier: GPL-3.0-or-later
// What a pass through FIBER comes to.
#include <cmath>
#include <numeric>

#include "engine/models/fiber/fiber.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier::fiber {

namespace {

/// What a pass asks for: the sides by themselves, pairs to be matched, covered words. Its
/// source_lengths are the texts of pairs, three a picture, and one a picture more where words are
/// covered in the same step; where words alone are, there are none, and labels.
struct Asked {
  bool alone = false;
  std::vector<std::int64_t> pairs, covered;
  std::int64_t labels = 0;

  Asked(const Pass& pass, bool answers) {
    if (answers || (pass.source_lengths.empty() && pass.labels > 0)) {
      covered = pass.lengths, labels = pass.labels;
      return;
    }
    alone = true;
    const std::vector<std::int64_t>& all = pass.source_lengths;
    const auto rows = static_cast<std::size_t>(pass.pictures.frames);
    if (rows == 0 || all.size() < rows) return;
    const std::size_t matched = all.size() >= 3 * rows ? 3 * rows : 0;
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(matched);
    pairs.assign(all.begin(), first);
    if (all.size() < matched + rows) return;
    covered.assign(first, first + static_cast<std::ptrdiff_t>(rows));
    labels = std::llround(kCoveredShare * static_cast<double>(std::accumulate(
                                              covered.begin(), covered.end(), std::int64_t{0})));
  }
};

}  // namespace

PassCost Fiber::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t pictures = pass.pictures.frames, space = options_.hidden_size;
  const Asked asked(pass, answers_ != nullptr);
  const TowerCost tower = backbone_.begin_cost(terms, pictures);
  PassCost cost;
  cost.stages = {two_tower_inputs(pass, tower.trains)};
  tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
  const bool covers = !asked.covered.empty();
  const auto beside = [&](const std::vector<std::int64_t>& texts, bool images_too, bool again) {
    const auto rows = std::ssize(texts);
    if (rows > pictures) {  // the pictures' states stand once more, in the rows' order
      Stage shown;
      shown.kept = terms.block(rows * backbone_.places() * backbone_.width());
      shown.moments = {{shown.kept, 0}};
      cost.stages.push_back(shown);
    }
    return backbone_.add_fused(terms, texts, tower.flows, images_too, again, cost.stages);
  };
  const auto add_both = [&](std::int64_t rows, bool text_again) {
    cost.stages.push_back(image_.cost(terms, rows));
    Stage text = text_.cost(terms, rows);
    if (text_again) text.gradients = 0;
    cost.stages.push_back(std::move(text));
    Stage joined;
    joined.kept = terms.block(2 * rows * space);
    joined.moments = {{joined.kept, 0}};
    cost.stages.push_back(joined);
  };
  cost.head.width = space;
  if (asked.alone) {
    const bool again = covers || !asked.pairs.empty();
    backbone_.add_images(terms, pictures, tower.flows, again, !asked.pairs.empty(), cost.stages);
    cost.stages.push_back(image_alone_->cost(terms, pictures));
    backbone_.add_texts(terms, pass.lengths, again, cost.stages);
    cost.stages.push_back(text_alone_->cost(terms, pictures));
  } else {
    cost.unreached += backbone_.of_last_norms(terms);
    if (image_alone_)
      cost.unreached +=
          image_alone_->of_all(terms) + text_alone_->of_all(terms) + terms.of(*this).parameters;
  }
  if (!asked.pairs.empty()) {
    beside(asked.pairs, /*images_too=*/true, /*again=*/covers);
    add_both(std::ssize(asked.pairs), /*text_again=*/false);
    cost.stages.push_back(end_product_cost(terms, itm_, std::ssize(asked.pairs)));
  } else if (!answers_) {
    cost.unreached += terms.of(*itm_).parameters + image_.of_all(terms) + text_.of_pooler(terms);
  }
  if (covers) {
    const Backbone::Flows flows = beside(asked.covered, answers_ != nullptr, /*again=*/false);
    if (answers_) {
      add_both(std::ssize(asked.covered), /*text_again=*/false);
      cost.stages.push_back(answers_->cost(terms, std::ssize(asked.covered)));
      cost.head.vocabulary = options_.answers->numbers();
      return cost;
    }
    const std::int64_t tokens =
        std::accumulate(asked.covered.begin(), asked.covered.end(), std::int64_t{0});
    cost.stages.push_back(text_.transform_cost(terms, tokens, !asked.pairs.empty()));
    cost.stages.push_back(predictions_->cost(terms, asked.labels, flows.texts));
    cost.head = predictions_->head_cost(terms, backbone_.embeddings()->words);
    cost.head.chosen = asked.alone;  // of words that are said beside something else
    if (asked.pairs.empty()) cost.unreached += backbone_.of_last_image_fusion(terms);
    if (asked.pairs.empty() && !asked.alone) cost.unreached += backbone_.of_last_images(terms);
    return cost;
  }
  cost.unreached += trained_within(terms, *named_children()["mlm_score"]).parameters;
  if (asked.pairs.empty())
    cost.unreached += backbone_.of_fusion(terms) + text_.of_all(terms) - text_.of_pooler(terms);
  return cost;
}

}  // namespace luthier::fiber
