// SPDX-License-Identifier: GPL-3.0-or-later
// A function a card: lab_cards() makes the list of them.
#pragma once

#include "engine/lab/card.h"

namespace luthier {

LabCard masked_words_card();
LabCard next_word_card();
LabCard infilling_card();
LabCard spans_card();
LabCard replaced_words_card();
LabCard two_texts_card();
LabCard tags_card();
LabCard picture_classes_card();
LabCard patches_card();
LabCard two_views_card();
LabCard contrast_card();
LabCard captions_card();
LabCard segments_card();
LabCard early_card();
LabCard projector_card();

}  // namespace luthier
