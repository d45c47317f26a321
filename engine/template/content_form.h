// SPDX-License-Identifier: GPL-3.0-or-later
// What a chat template takes as a message's content. Templates of models with pictures walk a list
// of parts; most of models that read text alone join a text, and given a list they fail, write how
// Python shows a list, or (Qwen3's) leave the turn empty without a word. Which of the two a
// template is can only be told by what it writes, and may be another for each role: Llama 3.2
// Vision's walks the parts of questions and wants a text of the system.
#pragma once

#include <string>

#include "engine/io/json.h"
#include "engine/template/chat_template.h"

namespace luthier {

/// What stands in a text for a part that is none; empty: a content with such a part stays a list.
struct MediaMarks {
  std::string picture, film;
  /// Of a model without pictures: a template that takes either form gets texts, which is how rows
  /// for such models are written.
  bool texts_alone = false;
};

/// `variables` of a rendering, whose messages have lists of parts as content, {"type": "text",
/// "text"}, {"type": "image"} and {"type": "video"}: each list of a role whose lists the template
/// does not write, and whose texts it does, becomes one text (its parts behind one another), and an
/// empty one beside tool calls null, as OpenAI's rows have it. Tools answer in texts where either
/// form is taken. Asks the template with a word in both forms, once for a source and role on a
/// thread.
Json contents_as_taken(const ChatTemplate& chat_template, Json variables, const MediaMarks& marks);

}  // namespace luthier
