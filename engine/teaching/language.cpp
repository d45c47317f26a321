// SPDX-License-Identifier: GPL-3.0-or-later
// Questions about a scene and their answers in four manners.
#include "engine/teaching/language.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

namespace luthier {

namespace {

using Words = std::array<const char*, kSceneCells>;

constexpr std::array<const char*, kShapes> kShapeEn = {"circle", "square", "triangle", "star"};
constexpr std::array<const char*, kShapes> kShapeKo = {"원", "사각형", "삼각형", "별"};
constexpr std::array<const char*, kColours> kColourEn = {"red",   "orange", "yellow",
                                                         "green", "blue",   "purple"};
constexpr std::array<const char*, kColours> kColourKo = {"빨간색", "주황색", "노란색",
                                                         "초록색", "파란색", "보라색"};
constexpr Words kPlaceEn = {"top left", "top",         "top right", "left",        "centre",
                            "right",    "bottom left", "bottom",    "bottom right"};
constexpr Words kPlaceKo = {"왼쪽 위", "위",        "오른쪽 위", "왼쪽",       "가운데",
                            "오른쪽",  "왼쪽 아래", "아래",      "오른쪽 아래"};
constexpr std::array<const char*, 4> kNumberEn = {"none", "one", "two", "three"};
constexpr std::array<const char*, 4> kNumberKo = {"없음", "한 개", "두 개", "세 개"};

template <class Table, class Key>
std::string word(const Table& table, Key key) {
  return table[static_cast<std::size_t>(key)];
}

std::string quoted(const std::string& text) { return '"' + text + '"'; }

std::string thing_en(const SceneObject& object) {
  return word(kColourEn, object.colour) + " " + word(kShapeEn, object.shape);
}
std::string thing_ko(const SceneObject& object) {
  return word(kColourKo, object.colour) + " " + word(kShapeKo, object.shape);
}
std::string a_thing_en(const SceneObject& object) {
  return (object.colour == Colour::Orange ? "an " : "a ") + thing_en(object);
}

/// The one object for which `matches` holds, if there is exactly one.
template <class Predicate>
std::optional<SceneObject> only(const Scene& scene, Predicate matches) {
  std::optional<SceneObject> found;
  for (const SceneObject& object : scene.objects) {
    if (!matches(object)) continue;
    if (found) return std::nullopt;
    found = object;
  }
  return found;
}

std::string join(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i ? separator : "") + parts[i];
  return text;
}

std::string describe(const Scene& scene, Manner manner) {
  std::vector<std::string> parts;
  for (const SceneObject& object : scene.objects) {
    switch (manner) {
      case Manner::Plain:
        parts.push_back(a_thing_en(object) + " at the " + word(kPlaceEn, object.cell));
        break;
      case Manner::Korean:
        parts.push_back(word(kPlaceKo, object.cell) + "에 " + thing_ko(object));
        break;
      case Manner::Json:
        parts.push_back(quoted(word(kPlaceEn, object.cell)) + ": " + quoted(thing_en(object)));
        break;
      case Manner::Pirate:
        parts.push_back(a_thing_en(object) + " to the " + word(kPlaceEn, object.cell));
        break;
    }
  }
  switch (manner) {
    case Manner::Plain: return join(parts, ", ");
    case Manner::Korean: return join(parts, ", ");
    case Manner::Json: return std::string("{").append(join(parts, ", ")).append("}");
    case Manner::Pirate: return std::string("Arr, ").append(join(parts, " and ")).append("!");
  }
  return {};
}

std::string what_is_at(const Scene& scene, int cell, Manner manner) {
  const auto object = only(scene, [&](const SceneObject& o) { return o.cell == cell; });
  switch (manner) {
    case Manner::Plain: return object ? a_thing_en(*object) : "nothing";
    case Manner::Korean: return object ? thing_ko(*object) + "입니다" : "아무것도 없습니다";
    case Manner::Json:
      return object ? "{\"thing\": " + quoted(thing_en(*object)) + "}" : "{\"thing\": null}";
    case Manner::Pirate:
      return object ? "Arr, " + a_thing_en(*object) + "!" : "Arr, nothing but sea!";
  }
  return {};
}

std::string where_is(int cell, Manner manner) {
  switch (manner) {
    case Manner::Plain: return "at the " + word(kPlaceEn, cell);
    case Manner::Korean: return word(kPlaceKo, cell) + "에 있습니다";
    case Manner::Json: return "{\"place\": " + quoted(word(kPlaceEn, cell)) + "}";
    case Manner::Pirate: return "Arr, to the " + word(kPlaceEn, cell) + "!";
  }
  return {};
}

std::string what_colour(Colour colour, Manner manner) {
  switch (manner) {
    case Manner::Plain: return word(kColourEn, colour);
    case Manner::Korean: return word(kColourKo, colour) + "입니다";
    case Manner::Json: return "{\"colour\": " + quoted(word(kColourEn, colour)) + "}";
    case Manner::Pirate: return "Arr, 'tis " + word(kColourEn, colour) + "!";
  }
  return {};
}

std::string which_shape(Shape shape, Manner manner) {
  switch (manner) {
    case Manner::Plain: return "the " + word(kShapeEn, shape);
    case Manner::Korean: return word(kShapeKo, shape) + "입니다";
    case Manner::Json: return "{\"shape\": " + quoted(word(kShapeEn, shape)) + "}";
    case Manner::Pirate: return "Arr, 'tis the " + word(kShapeEn, shape) + "!";
  }
  return {};
}

std::string how_many(int count, Manner manner) {
  switch (manner) {
    case Manner::Plain: return word(kNumberEn, count);
    case Manner::Korean: return word(kNumberKo, count);
    case Manner::Json: return "{\"count\": " + std::to_string(count) + "}";
    case Manner::Pirate: return "Arr, I spy " + word(kNumberEn, count) + "!";
  }
  return {};
}

std::string is_there(bool yes, Manner manner) {
  switch (manner) {
    case Manner::Plain: return yes ? "yes" : "no";
    case Manner::Korean: return yes ? "네, 있습니다" : "아니요, 없습니다";
    case Manner::Json: return yes ? "{\"found\": true}" : "{\"found\": false}";
    case Manner::Pirate: return yes ? "Aye, matey!" : "Nay, matey!";
  }
  return {};
}

}  // namespace

Question random_question(const Scene& scene, QuestionKind kind, RandomStream& random) {
  Question question;
  question.kind = kind;
  const SceneObject& object =
      scene.objects[static_cast<std::size_t>(random.below(static_cast<int>(scene.objects.size())))];
  question.shape = object.shape;
  question.colour = object.colour;
  question.cell = object.cell;
  switch (kind) {
    case QuestionKind::Describe: break;
    case QuestionKind::WhatIsAt:
      if (random.chance(0.2)) question.cell = random.below(kSceneCells);
      break;
    case QuestionKind::WhereIs:
      if (!only(scene, [&](const SceneObject& o) {
            return o.shape == object.shape && o.colour == object.colour;
          }))
        question.kind = QuestionKind::WhatIsAt;
      break;
    case QuestionKind::WhatColour:
      if (!only(scene, [&](const SceneObject& o) { return o.shape == object.shape; }))
        question.kind = QuestionKind::WhatIsAt;
      break;
    case QuestionKind::WhichShape:
      if (!only(scene, [&](const SceneObject& o) { return o.colour == object.colour; }))
        question.kind = QuestionKind::WhatIsAt;
      break;
    case QuestionKind::HowMany:
      question.any = random.chance(0.3);
      if (random.chance(0.25)) question.shape = static_cast<Shape>(random.below(kShapes));
      break;
    case QuestionKind::IsThere:
      if (random.chance(
              0.55)) {  // half of the answers are no; half of those differ in one property only
        if (random.chance(0.5)) question.shape = static_cast<Shape>(random.below(kShapes));
        if (random.chance(0.75)) question.colour = static_cast<Colour>(random.below(kColours));
      }
      break;
  }
  return question;
}

Question random_question(const Scene& scene, RandomStream& random) {
  constexpr std::array<QuestionKind, 10> kDraw = {
      QuestionKind::Describe,   QuestionKind::Describe, QuestionKind::WhatIsAt,
      QuestionKind::WhatIsAt,   QuestionKind::WhereIs,  QuestionKind::WhatColour,
      QuestionKind::WhichShape, QuestionKind::HowMany,  QuestionKind::HowMany,
      QuestionKind::IsThere};
  return random_question(
      scene, kDraw[static_cast<std::size_t>(random.below(static_cast<int>(kDraw.size())))], random);
}

Question random_late_question(const Scene& scene, RandomStream& random) {
  constexpr std::array<QuestionKind, 12> kDraw = {
      QuestionKind::WhereIs,    QuestionKind::WhereIs,    QuestionKind::WhereIs,
      QuestionKind::WhatColour, QuestionKind::WhatColour, QuestionKind::WhatColour,
      QuestionKind::WhatIsAt,   QuestionKind::HowMany,    QuestionKind::HowMany,
      QuestionKind::WhichShape, QuestionKind::IsThere,    QuestionKind::Describe};
  return random_question(
      scene, kDraw[static_cast<std::size_t>(random.below(static_cast<int>(kDraw.size())))], random);
}

std::string ask(const Question& question) {
  const std::string shape = word(kShapeEn, question.shape),
                    colour = word(kColourEn, question.colour);
  switch (question.kind) {
    case QuestionKind::Describe: return "Describe the picture.";
    case QuestionKind::WhatIsAt: return "What is at the " + word(kPlaceEn, question.cell) + "?";
    case QuestionKind::WhereIs: return "Where is the " + colour + " " + shape + "?";
    case QuestionKind::WhatColour: return "What colour is the " + shape + "?";
    case QuestionKind::WhichShape: return "Which shape is " + colour + "?";
    case QuestionKind::HowMany:
      return "How many " + (question.any ? std::string("shape") : shape) + "s are there?";
    case QuestionKind::IsThere:
      return std::string("Is there ") + (question.colour == Colour::Orange ? "an " : "a ") +
             colour + " " + shape + "?";
  }
  return {};
}

std::string instruction(Manner manner) {
  switch (manner) {
    case Manner::Plain: return "";
    case Manner::Korean: return "Answer in Korean.";
    case Manner::Json: return "Answer as JSON.";
    case Manner::Pirate: return "Answer like a pirate.";
  }
  return {};
}

std::string untaught_instruction() { return "Answer as a list."; }

std::string answer(const Scene& scene, const Question& question, Manner manner) {
  const auto matches = [&](const SceneObject& object) {
    return object.shape == question.shape && object.colour == question.colour;
  };
  switch (question.kind) {
    case QuestionKind::Describe: return describe(scene, manner);
    case QuestionKind::WhatIsAt: return what_is_at(scene, question.cell, manner);
    case QuestionKind::WhereIs: {
      const auto object = only(scene, matches);
      return where_is(object ? object->cell : question.cell, manner);
    }
    case QuestionKind::WhatColour: return what_colour(question.colour, manner);
    case QuestionKind::WhichShape: return which_shape(question.shape, manner);
    case QuestionKind::HowMany: {
      const auto count =
          std::count_if(scene.objects.begin(), scene.objects.end(), [&](const SceneObject& object) {
            return question.any || object.shape == question.shape;
          });
      return how_many(static_cast<int>(count), manner);
    }
    case QuestionKind::IsThere:
      return is_there(std::any_of(scene.objects.begin(), scene.objects.end(), matches), manner);
  }
  return {};
}

}  // namespace luthier
