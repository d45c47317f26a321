// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/teaching/stages_demo.h"

#include <functional>
#include <set>

#include "engine/io/files.h"
#include "engine/io/output_place.h"
#include "engine/teaching/teaching.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;
using Line = std::function<Json(const Answered&)>;

/// Without its picture.
Json text_line(const Answered& row) {
  return {{"prompt", row.question}, {"completion", row.longer}};
}

Json answer_line(const Answered& row) {
  Json line = asked(row);
  line["completion"] = row.longer;
  return line;
}

Json pair_line(const Answered& row) {
  Json line = asked(row);
  line.update({{"chosen", row.plain}, {"rejected", row.longer}});
  return line;
}

Json solved_line(const Answered& row) {
  Json line = asked(row);
  line["solution"] = row.plain;
  return line;
}

/// A line that stands there already is left out: texts without their pictures are often alike.
Status write_lines(const std::vector<Answered>& rows, const Line& line_of, const fs::path& path) {
  std::string lines;
  std::set<std::string> written;
  for (const Answered& row : rows) {
    const std::string line = line_of(row).dump() + "\n";
    if (written.insert(line).second) lines += line;
  }
  return write_file_atomically(path, lines);
}

}  // namespace

Result<StagesLesson> make_stages_demo(const fs::path& folder) {
  LUTHIER_TRY(const fs::path resources, find_resources());
  LUTHIER_TRY(const TeachingTask pirate, teaching_task("pirate"));
  LUTHIER_TRY(const fs::path base, teaching_base());
  const fs::path teaching = resources / "teaching", recipe = teaching / "objectives/stages.yaml";
  LUTHIER_TRY(auto staged, read_staged_recipe(recipe));
  const std::vector<std::pair<std::string, Line>> stages{{"words", text_line},
                                                         {"manner", answer_line},
                                                         {"preference", pair_line},
                                                         {"reward", solved_line}};
  if (!staged || staged->stages.size() != stages.size())
    return input_error("The recipe does not have the demo's four stages.", recipe.string(),
                       "Install the program's resources anew.");
  const fs::path own = teaching / "heldout.jsonl";
  LUTHIER_TRY(const auto train, answered_both_ways(teaching / "train.jsonl", pirate.train));
  StagesLesson lesson{std::move(*staged), {}, own};
  LUTHIER_TRY(lesson.held_out, answered_both_ways(own, pirate.heldout));
  LUTHIER_CHECK(make_output_folder(folder));
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const auto& [name, line_of] = stages[i];
    const fs::path rows = folder / (name + ".jsonl"), held_out = folder / (name + "-heldout.jsonl");
    LUTHIER_CHECK(write_lines(train, line_of, rows));
    LUTHIER_CHECK(write_lines(lesson.held_out, line_of, held_out));
    Recipe& stage = lesson.staged.stages[i].recipe;
    stage.dataset = {rows.string()};
    stage.eval_dataset = {held_out.string()};
  }
  lesson.staged.stages.front().recipe.model = base.string();
  lesson.staged.output_dir = (folder / "run").string();
  return lesson;
}

}  // namespace luthier
