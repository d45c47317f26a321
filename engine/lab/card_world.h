// SPDX-License-Identifier: GPL-3.0-or-later
// What the cards learn from: scenes of two or three coloured shapes, the same for all cards of a
// seed. A scene's text says each relation twice, from either side, and ends with a list of what
// there is: so nearly every word can be told from the others, and how many are told right says what
// a model has understood.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/random_stream.h"
#include "engine/teaching/scene.h"
#include "engine/vision/image.h"

namespace luthier {

struct LabScene {
  Scene scene;
  std::string text;        ///< lower-case words with a space between any two, punctuation too
  std::uint64_t draw = 0;  ///< seeds the picture
};

/// Scenes with texts that all differ; what a held-out one says, in either turn, no text for
/// training says, whatever the seeds.
std::vector<LabScene> lab_scenes(std::uint64_t seed, bool held_out, std::size_t count);

/// "the red circle is above the blue square . the blue square is below the red circle . there are
/// two shapes : one red and one blue ."
std::string lab_text(const Scene& scene, RandomStream& random);
/// "there are two shapes : one red circle and one blue square .", from the top left on: of a scene
/// there is one.
std::string lab_caption(const Scene& scene);
Image lab_picture(const LabScene& scene);

/// What is said of two things, and what is said of them from the other side: that follows, or
/// contradicts it by the relation or by a colour.
struct LabPair {
  std::string first, second;
  bool follows = true;
};
LabPair lab_pair(const LabScene& scene);

/// A text word by word, and for each word of a thing whether its sentence puts it before the other
/// one (above it, or left of it): 1 or 0; −1 for all other words.
struct LabTags {
  std::vector<std::string> words;
  std::vector<int> before;
};
LabTags lab_tags(const LabScene& scene);

/// Every word of every text, in a fixed order.
const std::vector<std::string>& lab_words();

std::string colour_word(Colour colour);
std::string shape_word(Shape shape);

}  // namespace luthier
