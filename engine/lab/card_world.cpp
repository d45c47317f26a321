// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/card_world.h"

#include <array>
#include <set>
#include <sstream>

namespace luthier {

namespace {

enum LabStream : std::uint64_t {
  kLabTraining = 41,
  kLabHeldOut = 42,
  kLabPicture = 43,
  kLabPair = 46,
  kLabTags = 47,
  kLabSaid = 48
};
constexpr int kSayingsToOneHeldOut = 8;

constexpr std::array<const char*, kColours> kColourWords = {"red",   "orange", "yellow",
                                                            "green", "blue",   "purple"};
constexpr std::array<const char*, kShapes> kShapeWords = {"circle", "square", "triangle", "star"};
constexpr std::array<const char*, 4> kNumberWords = {"no", "one", "two", "three"};

std::string thing(const SceneObject& object) {
  return "the " + colour_word(object.colour) + " " + shape_word(object.shape);
}

/// Where one stands, seen from the other: by rows, and within a row by columns.
std::string relation(const SceneObject& one, const SceneObject& other) {
  const int rows = one.cell / 3 - other.cell / 3, columns = one.cell % 3 - other.cell % 3;
  if (rows != 0) return rows < 0 ? "above" : "below";
  return columns < 0 ? "left of" : "right of";
}

std::string sentence(const SceneObject& one, const SceneObject& other) {
  return thing(one) + " is " + relation(one, other) + " " + thing(other) + " .";
}

/// What there is, by colours alone or by colours and shapes.
std::string listed(const std::vector<SceneObject>& objects, bool shapes) {
  std::string text = std::string("there are ") + kNumberWords[objects.size()] + " shapes :";
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const bool last = i + 1 == objects.size();
    text += i == 0 ? " one " : last ? " and one " : " , one ";
    text += colour_word(objects[i].colour);
    if (shapes) text += " " + shape_word(objects[i].shape);
  }
  return text + " .";
}

/// Whether what a scene's text says is kept from training. It goes by the things and the relations
/// between them, so that the same text, and the same text turned, is never on both sides.
bool says_what_is_held_out(const Scene& scene) {
  std::uint64_t said = 1;
  const auto add = [&](const std::string& words) {
    for (const char letter : words) said = said * 1099511628211ULL ^ std::uint8_t(letter);  // FNV-1
  };
  for (std::size_t i = 0; i < scene.objects.size(); ++i) {
    if (i > 0) add(relation(scene.objects[i - 1], scene.objects[i]));
    add(thing(scene.objects[i]));
  }
  return RandomStream(kLabSaid, said).below(kSayingsToOneHeldOut) == 0;
}

/// The colour of something else.
Colour other_colour(Colour colour, RandomStream& random) {
  const int by = random.between(1, kColours - 1);
  return static_cast<Colour>((static_cast<int>(colour) + by) % kColours);
}

/// Two things that are called the same cannot be told apart by a text.
bool tells_apart(const Scene& scene) {
  std::set<std::string> names;
  for (const SceneObject& object : scene.objects) names.insert(thing(object));
  return names.size() == scene.objects.size() && names.size() > 1;
}

}  // namespace

std::string colour_word(Colour colour) { return kColourWords[static_cast<std::size_t>(colour)]; }
std::string shape_word(Shape shape) { return kShapeWords[static_cast<std::size_t>(shape)]; }

std::string lab_text(const Scene& scene, RandomStream& random) {
  const std::vector<SceneObject>& objects = scene.objects;
  std::string text;
  for (std::size_t i = 0; i + 1 < objects.size(); ++i) {
    const bool turned = random.chance(0.5);
    const SceneObject &one = objects[i + (turned ? 1 : 0)], &other = objects[i + (turned ? 0 : 1)];
    text += sentence(one, other) + " " + sentence(other, one) + " ";
  }
  return text + listed(objects, /*shapes=*/false);
}

std::string lab_caption(const Scene& scene) { return listed(scene.objects, /*shapes=*/true); }

std::vector<LabScene> lab_scenes(std::uint64_t seed, bool held_out, std::size_t count) {
  std::vector<LabScene> scenes;
  std::set<std::string> written;
  for (std::uint64_t i = 0; scenes.size() < count; ++i) {
    RandomStream random(seed, held_out ? kLabHeldOut : kLabTraining, i);
    LabScene drawn;
    drawn.scene = random_scene(random, held_out ? SceneSplit::HeldOut : SceneSplit::Pretrain);
    if (!tells_apart(drawn.scene) || says_what_is_held_out(drawn.scene) != held_out) continue;
    drawn.text = lab_text(drawn.scene, random);
    drawn.draw = random.next();
    if (written.insert(drawn.text).second) scenes.push_back(std::move(drawn));
  }
  return scenes;
}

LabPair lab_pair(const LabScene& scene) {
  RandomStream random(scene.draw, kLabPair);
  const auto& objects = scene.scene.objects;
  const auto at = static_cast<std::size_t>(random.below(static_cast<int>(objects.size()) - 1));
  const bool turned = random.chance(0.5);
  SceneObject one = objects[at + (turned ? 1 : 0)], other = objects[at + (turned ? 0 : 1)];
  LabPair pair;
  pair.first = sentence(one, other);
  pair.follows = random.chance(0.5);
  const bool by_relation = random.chance(0.5);
  if (!pair.follows && !by_relation) {
    SceneObject& changed = random.chance(0.5) ? one : other;
    changed.colour = other_colour(changed.colour, random);
  }
  const std::string seen =
      !pair.follows && by_relation ? relation(one, other) : relation(other, one);
  pair.second = thing(other) + " is " + seen + " " + thing(one) + " .";
  return pair;
}

LabTags lab_tags(const LabScene& scene) {
  RandomStream random(scene.draw, kLabTags);
  LabTags tags;
  const auto add = [&](const std::string& text, int before) {
    std::istringstream stream(text);
    for (std::string word; stream >> word;) {
      tags.words.push_back(word);
      tags.before.push_back(word == "the" ? -1 : before);
    }
  };
  const auto& objects = scene.scene.objects;
  for (std::size_t i = 0; i + 1 < objects.size(); ++i) {
    const bool turned = random.chance(0.5);
    const SceneObject &one = objects[i + (turned ? 1 : 0)], &other = objects[i + (turned ? 0 : 1)];
    add(thing(one), turned ? 0 : 1);
    add("is " + relation(one, other), -1);
    add(thing(other), turned ? 1 : 0);
    add(".", -1);
  }
  return tags;
}

Image lab_picture(const LabScene& scene) {
  RandomStream random(scene.draw, kLabPicture);
  return draw_scene(scene.scene, random);
}

const std::vector<std::string>& lab_words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> all = {"the",   "is", "are", "there", "shapes", "and",
                                    ":",     ",",  ".",   "above", "below",  "left",
                                    "right", "of", "one", "two",   "three"};
    all.insert(all.end(), kColourWords.begin(), kColourWords.end());
    all.insert(all.end(), kShapeWords.begin(), kShapeWords.end());
    return all;
  }();
  return words;
}

}  // namespace luthier
