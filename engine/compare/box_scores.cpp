// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/box_scores.h"

#include "engine/compare/scores.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/data/boxes/place_tokenizer.h"
#include "engine/rewards/box_pairs.h"

namespace luthier {

void put_answer(Comparison& comparison, std::size_t row, std::size_t column,
                ComparisonAnswer answer) {
  ComparisonRow& cells = comparison.rows[row];
  put_answer(cells, column, std::move(answer));
  ComparisonAnswer& put = cells.answers[column];
  const Conversation& asked = cells.sample.conversation;
  if (!put.whole() || !cells.sample.expected() || !holds_boxes(asked)) return;
  const ComparisonColumn& own = comparison.columns[column];
  const std::filesystem::path folder =
      own.whole ? std::filesystem::path(own.adapter) : comparison.model;
  const BoxNotation& notation = box_notation_of(folder);
  std::unique_ptr<ImageProcessor> pictures;
  if (notation.counts_seen_pixels())
    if (auto loaded = ImageProcessor::load(folder, {}, own.image)) pictures = loaded.take();
  put.bleu = {};  // words' measures say nothing of numbers' places
  for (const char* key : {"box", "bleu"}) put.scores.erase(key);
  const auto expected = boxes_text(asked, {&notation, pictures.get()}, cells.sample.where);
  if (!expected) return;
  put.scores = score_answer(put.text, *expected);
  put.scores.erase("bleu");
  put.scores["box"] = box_overlap(notation.read(put.text), notation.read(*expected));
}

}  // namespace luthier
