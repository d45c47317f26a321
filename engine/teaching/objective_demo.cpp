// SPDX-License-Identifier: GPL-3.0-or-later
// Rows out of two manners of answering the same questions.
#include "engine/teaching/objective_demo.h"

#include "engine/data/row_kind.h"
#include "engine/io/files.h"
#include "engine/io/output_place.h"
#include "engine/teaching/manners.h"
#include "engine/teaching/teaching.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

/// The lines that a question is, as rows of this kind.
std::string lines_of(const Answered& row, const RowKind& kind) {
  if (&kind == &unpaired_rows()) {
    Json good = asked(row), bad = asked(row);
    good.update({{"completion", row.longer}, {"label", true}});
    bad.update({{"completion", row.plain}, {"label", false}});
    return good.dump() + "\n" + bad.dump() + "\n";
  }
  if (&kind == &answer_rows()) {
    Json plain = asked(row);
    plain.update({{"completion", row.plain}});
    return plain.dump() + "\n";
  }
  if (&kind == &prompt_rows()) return asked_as_list(row).dump() + "\n";
  Json pair = asked(row);
  pair.update({{"chosen", row.longer}, {"rejected", row.plain}});
  return pair.dump() + "\n";
}

Status write_rows(const std::vector<Answered>& rows, const RowKind& kind, const fs::path& path) {
  std::string lines;
  for (const Answered& row : rows) lines += lines_of(row, kind);
  return write_file_atomically(path, lines);
}

}  // namespace

const std::vector<ObjectiveDemo>& objective_demos() {
  static const std::vector<ObjectiveDemo> demos{{"dpo", DemoJudge::Longer},
                                                {"kto", DemoJudge::Longer},
                                                {"gkd", DemoJudge::AsTeacher},
                                                {"grpo", DemoJudge::Json},
                                                {"reward", DemoJudge::Ranks}};
  return demos;
}

Result<ObjectiveDemo> objective_demo(const std::string& name) {
  std::string known;
  for (const ObjectiveDemo& demo : objective_demos()) {
    if (demo.objective == name) return demo;
    known += (known.empty() ? "" : ", ") + demo.objective;
  }
  return input_error("There is no demo of the objective \"" + name + "\".", "--objective",
                     "There are demos of " + known + " and of stages.");
}

Result<ObjectiveLesson> make_objective_demo(const ObjectiveDemo& demo, const fs::path& folder) {
  LUTHIER_TRY(const fs::path resources, find_resources());
  LUTHIER_TRY(const TeachingTask pirate, teaching_task("pirate"));
  LUTHIER_TRY(const fs::path base, teaching_base());
  const fs::path teaching = resources / "teaching";
  const bool taught = demo.judge == DemoJudge::AsTeacher;
  std::vector<std::string> overrides;
  if (taught) overrides.push_back(demo.objective + ".teacher_model_name_or_path=" + base.string());
  LUTHIER_TRY(Recipe recipe,
              read_recipe(teaching / "objectives" / (demo.objective + ".yaml"), overrides));
  LUTHIER_TRY(const auto train, answered_both_ways(teaching / "train.jsonl", pirate.train));
  const fs::path own = teaching / "heldout.jsonl";
  LUTHIER_TRY(const auto held_out, answered_both_ways(own, pirate.heldout));
  LUTHIER_CHECK(make_output_folder(folder));
  const RowKind& kind = row_kind_of(recipe);
  LUTHIER_CHECK(write_rows(train, kind, folder / "train.jsonl"));
  LUTHIER_CHECK(write_rows(held_out, kind, folder / "eval.jsonl"));
  if (taught) LUTHIER_CHECK(make_student(base, folder / "student"));
  recipe.model = (taught ? folder / "student" : base).string();
  recipe.dataset = {(folder / "train.jsonl").string()};
  recipe.eval_dataset = {(folder / "eval.jsonl").string()};
  recipe.output_dir = (folder / "run").string();
  ObjectiveLesson lesson{std::move(recipe), own, taught ? own : pirate.heldout};
  if (demo.judge != DemoJudge::Json) return lesson;
  lesson.wanted = folder / "questions.jsonl";
  LUTHIER_TRY(const TeachingTask json, teaching_task("json"));
  LUTHIER_TRY(const auto questions, answered_both_ways(own, json.heldout));
  LUTHIER_CHECK(write_file_atomically(lesson.wanted, list_lines(questions)));
  return lesson;
}

}  // namespace luthier
