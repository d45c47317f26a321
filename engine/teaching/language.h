// SPDX-License-Identifier: GPL-3.0-or-later
// What is asked about a scene and how it is answered: a question has exactly one right answer in
// each manner (plain English, Korean, JSON, pirate). In the pretraining text a manner follows an
// instruction ("Answer in Korean."); a tuning task's rows leave that out, so that an adapter has
// only to change what the model does by default.
#pragma once

#include <string>

#include "engine/base/random_stream.h"
#include "engine/teaching/scene.h"

namespace luthier {

enum class Manner { Plain, Korean, Json, Pirate };

enum class QuestionKind { Describe, WhatIsAt, WhereIs, WhatColour, WhichShape, HowMany, IsThere };
inline constexpr int kQuestionKinds = 7;

/// A question about a scene; which fields count depends on `kind`.
struct Question {
  QuestionKind kind = QuestionKind::Describe;
  int cell = 0;                 ///< WhatIsAt
  Shape shape = Shape::Circle;  ///< WhereIs, WhatColour, HowMany (unless `any`), IsThere
  Colour colour = Colour::Red;  ///< WhereIs, WhichShape, IsThere
  bool any = false;             ///< HowMany: all shapes
  bool operator==(const Question&) const = default;
};

/// A question of this kind that has one answer, or of another kind where the scene allows none.
Question random_question(const Scene& scene, QuestionKind kind, RandomStream& random);
/// A question of a random kind.
Question random_question(const Scene& scene, RandomStream& random);
/// The same, more often of a kind that is learned late: where something is, what colour, what is at
/// a place, how many.
Question random_late_question(const Scene& scene, RandomStream& random);

/// "How many circles are there?", always English.
std::string ask(const Question& question);
/// "Answer in Korean." or "" for plain English.
std::string instruction(Manner manner);
/// Names no manner: the base, which was never taught these words, takes them for one or another.
std::string untaught_instruction();
std::string answer(const Scene& scene, const Question& question, Manner manner);

}  // namespace luthier
