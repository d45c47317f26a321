// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/florence2/task_words.h"

#include <array>
#include <string_view>
#include <utility>

#include "engine/template/eval.h"

namespace luthier::florence2 {

namespace {

using Task = std::pair<std::string_view, std::string_view>;

/// Words for the model and no person, which no catalogue translates.
constexpr std::string_view to_model(std::string_view words) { return words; }

constexpr std::array<Task, 8> kWhole{{
    {"<OCR>", to_model("What is the text in the image?")},
    {"<OCR_WITH_REGION>", to_model("What is the text in the image, with regions?")},
    {"<CAPTION>", to_model("What does the image describe?")},
    {"<DETAILED_CAPTION>", to_model("Describe in detail what is shown in the image.")},
    {"<MORE_DETAILED_CAPTION>", to_model("Describe with a paragraph what is shown in the image.")},
    {"<OD>", to_model("Locate the objects with category name in the image.")},
    {"<DENSE_REGION_CAPTION>",
     to_model("Locate the objects in the image, with their descriptions.")},
    {"<REGION_PROPOSAL>", to_model("Locate the region proposals in the image.")},
}};

/// What is asked about stands where the mark is.
constexpr std::string_view kMark = "{input}";
constexpr std::array<Task, 7> kAbout{{
    {"<CAPTION_TO_PHRASE_GROUNDING>", to_model("Locate the phrases in the caption: {input}")},
    {"<REFERRING_EXPRESSION_SEGMENTATION>", to_model("Locate {input} in the image with mask")},
    {"<REGION_TO_SEGMENTATION>", to_model("What is the polygon mask of region {input}")},
    {"<OPEN_VOCABULARY_DETECTION>", to_model("Locate {input} in the image.")},
    {"<REGION_TO_CATEGORY>", to_model("What is the region {input}?")},
    {"<REGION_TO_DESCRIPTION>", to_model("What does the region {input} describe?")},
    {"<REGION_TO_OCR>", to_model("What text is in the region {input}?")},
}};

std::string without(std::string text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at))
    text.erase(at, word.size());
  return text;
}

}  // namespace

Result<std::string> sentence_of(const std::string& question) {
  for (const auto& [word, sentence] : kWhole) {
    if (question.find(word) == std::string::npos) continue;
    if (question == word) return std::string(sentence);
    return input_error("The question has more than its task word " + std::string(word) + ".", "",
                       "This word is a whole question: take the rest out.");
  }
  for (const auto& [word, sentence] : kAbout) {
    if (question.find(word) == std::string::npos) continue;
    const std::string input = templates::strip(without(question, word), nullptr, true, true);
    std::string made(sentence);
    made.replace(made.find(kMark), kMark.size(), input);
    return made;
  }
  return question;
}

}  // namespace luthier::florence2
