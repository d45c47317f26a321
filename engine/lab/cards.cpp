// SPDX-License-Identifier: GPL-3.0-or-later
// The cards, in the order in which the notes come to them.
#include "engine/lab/cards/cards.h"

namespace luthier {

const std::vector<LabCard>& lab_cards() {
  static const std::vector<LabCard> cards = {
      masked_words_card(),   next_word_card(), infilling_card(), spans_card(),
      replaced_words_card(), two_texts_card(), tags_card(),      picture_classes_card(),
      patches_card(),        two_views_card(), contrast_card(),  captions_card(),
      segments_card(),       early_card(),     projector_card(),
  };
  return cards;
}

}  // namespace luthier
