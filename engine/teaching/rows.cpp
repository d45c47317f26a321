// SPDX-License-Identifier: GPL-3.0-or-later
// Pretraining rows (several turns about one picture, so that a picture's tokens are paid for once)
// and the tasks' rows (one turn, the manner not asked for).
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/output_place.h"
#include "engine/teaching/language.h"
#include "engine/teaching/make.h"
#include "engine/teaching/skeleton.h"
#include "engine/teaching/tokenizer_maker.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

enum Stream : std::uint64_t {
  kPretrainStream = 1,
  kEvalStream = 2,
  kTrainStream = 3,
  kHeldOutStream = 4
};

/// Pictures are many and can be made again: no fsync for each.
Status write_picture(const fs::path& path, const Image& image) {
  LUTHIER_TRY(const auto bytes, encode_png(image));
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file)
    return machine_error("The picture cannot be written.", path.string(),
                         "Check the folder's permissions.");
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (std::fclose(file) != 0 || !written)
    return machine_error("The picture cannot be written: the disk may be full.", path.string());
  return {};
}

std::string number_name(int index) {
  char name[32];
  std::snprintf(name, sizeof name, "%05d.png", index);
  return name;
}

Json text_message(const char* role, const std::string& text) {
  return {{"role", role}, {"content", Json::array({{{"type", "text"}, {"text", text}}})}};
}

Json user_message(const std::string& picture, const std::string& text) {
  Json content = Json::array();
  if (!picture.empty()) content.push_back({{"type", "image"}, {"path", picture}});
  content.push_back({{"type", "text"}, {"text", text}});
  return {{"role", "user"}, {"content", content}};
}

Manner random_manner(RandomStream& random) {
  const double roll = random.unit();
  return roll < 0.46   ? Manner::Plain
         : roll < 0.64 ? Manner::Korean
         : roll < 0.82 ? Manner::Json
                       : Manner::Pirate;
}

std::string with_instruction(Manner manner, const std::string& text) {
  const std::string order = instruction(manner);
  return order.empty() ? text : order + " " + text;
}

/// The pretraining file is read in its order, and begins with lessons: one shape described, then
/// two, then plain questions, then all. Without them the model learns the language long before it
/// learns to look, and stays there.
struct Lesson {
  int max_objects = 3;
  bool describe_only = false, plain_only = false, late = false;
};

Lesson lesson_of(int row) {
  constexpr int kRows = 4800;  // 150 steps of 32
  if (row < kRows) return {1, true, true};
  if (row < 2 * kRows) return {2, true, true};
  if (row < 3 * kRows) return {3, false, true};
  return {};
}

/// Turns about one scene until the row is about as long as the others: short batches are padded
/// little.
Json pretraining_messages(const Scene& scene, const std::string& picture, const Lesson& lesson,
                          RandomStream& random) {
  constexpr std::size_t kWords = 62;
  Json messages = Json::array();
  std::vector<std::pair<Question, Manner>> asked;
  for (std::size_t words = 0, tries = 0; tries < 12; ++tries) {
    const bool describe =
        lesson.describe_only || (!lesson.late && asked.empty() && random.chance(0.3));
    const Question question = describe      ? Question{}
                              : lesson.late ? random_late_question(scene, random)
                                            : random_question(scene, random);
    const Manner manner = lesson.plain_only ? Manner::Plain : random_manner(random);
    if (std::find(asked.begin(), asked.end(), std::pair(question, manner)) != asked.end()) continue;
    const std::string prompt = with_instruction(manner, ask(question)),
                      reply = answer(scene, question, manner);
    const std::size_t length = split_words(prompt).size() + split_words(reply).size() + 4;
    if (!asked.empty() && words + length > kWords) continue;
    words += length;
    asked.emplace_back(question, manner);
    messages.push_back(user_message(messages.empty() ? picture : "", prompt));
    messages.push_back(text_message("assistant", reply));
  }
  return messages;
}

/// No picture: a description in one manner, to be said in another.
Json text_only_messages(const Scene& scene, RandomStream& random) {
  constexpr std::array<const char*, 4> kOrder = {
      "Say in English: ", "Say in Korean: ", "Say as JSON: ", "Say like a pirate: "};
  Question question;
  const auto from = random.below(4), to = (from + 1 + random.below(3)) % 4;
  const std::string given = answer(scene, question, static_cast<Manner>(from)),
                    said = answer(scene, question, static_cast<Manner>(to));
  return Json::array({user_message("", kOrder[static_cast<std::size_t>(to)] + given),
                      text_message("assistant", said)});
}

}  // namespace

Status make_pretraining(const fs::path& work, const TeachingMakeOptions& options,
                        const TeachingProgress& progress) {
  LUTHIER_CHECK(write_skeleton(work / "skeleton", options.seed));
  const fs::path folder = work / "pretrain";
  LUTHIER_CHECK(make_output_folder(folder / "pictures"));
  std::string rows;
  for (int i = 0; i < options.pretrain_rows; ++i) {
    if (i % 1000 == 0 && progress && !progress("pretraining rows", i, options.pretrain_rows))
      return interrupted_error();
    RandomStream random(options.seed, kPretrainStream, static_cast<std::uint64_t>(i));
    Lesson lesson = options.lessons ? lesson_of(i) : Lesson{};
    lesson.late = options.late;
    const Scene scene = random_scene(random, SceneSplit::Pretrain, lesson.max_objects);
    if (!lesson.plain_only && i % 32 == 31) {
      rows += Json{{"messages", text_only_messages(scene, random)}}.dump() + "\n";
      continue;
    }
    const std::string picture = "pictures/" + number_name(i);
    LUTHIER_CHECK(write_picture(folder / picture, draw_scene(scene, random)));
    rows += Json{{"messages", pretraining_messages(scene, picture, lesson, random)}}.dump() + "\n";
  }
  LUTHIER_CHECK(write_file_atomically(folder / "train.jsonl", rows));
  rows.clear();
  for (int i = 0; i < 128; ++i) {
    RandomStream random(options.seed, kEvalStream, static_cast<std::uint64_t>(i));
    const Scene scene = random_scene(random, SceneSplit::HeldOut);
    const std::string picture = "pictures/eval-" + number_name(i);
    LUTHIER_CHECK(write_picture(folder / picture, draw_scene(scene, random)));
    rows += Json{{"messages", pretraining_messages(scene, picture, {}, random)}}.dump() + "\n";
  }
  return write_file_atomically(folder / "eval.jsonl", rows);
}

Status make_tasks(const fs::path& teaching, const TeachingMakeOptions& options) {
  struct Task {
    const char* name;
    Manner manner;
    std::string train, heldout;
  };
  std::array<Task, 3> tasks = {{{"korean", Manner::Korean, {}, {}},
                                {"json", Manner::Json, {}, {}},
                                {"pirate", Manner::Pirate, {}, {}}}};
  LUTHIER_CHECK(make_output_folder(teaching / "pictures" / "train"));
  LUTHIER_CHECK(make_output_folder(teaching / "pictures" / "heldout"));
  const auto row = [](const std::string& picture, const std::string& prompt,
                      const std::string& reply) {
    return Json{{"messages",
                 Json::array({user_message(picture, prompt), text_message("assistant", reply)})}}
               .dump() +
           "\n";
  };
  std::string plain;
  // Two questions a picture; the tasks share both, only the answers differ.
  for (int i = 0; 2 * i < options.train_rows; ++i) {
    RandomStream random(options.seed, kTrainStream, static_cast<std::uint64_t>(i));
    const Scene scene = random_scene(random, SceneSplit::Train);
    const std::string picture = "pictures/train/" + number_name(i);
    LUTHIER_CHECK(write_picture(teaching / picture, draw_scene(scene, random)));
    const Question first = random_question(scene, random);
    Question second = random_question(scene, random);
    for (int tries = 0; tries < 50 && ask(second) == ask(first); ++tries)
      second = random_question(scene, random);
    for (const Question& question : {first, second}) {
      plain += row(picture, ask(question), answer(scene, question, Manner::Plain));
      for (Task& task : tasks)
        task.train += row("../../" + picture, ask(question), answer(scene, question, task.manner));
    }
  }
  LUTHIER_CHECK(write_file_atomically(teaching / "train.jsonl", plain));
  plain.clear();
  for (int i = 0; i < options.heldout_rows; ++i) {
    RandomStream random(options.seed, kHeldOutStream, static_cast<std::uint64_t>(i));
    const Scene scene = random_scene(random, SceneSplit::HeldOut);
    const std::string picture = "pictures/heldout/" + number_name(i);
    LUTHIER_CHECK(write_picture(teaching / picture, draw_scene(scene, random)));
    const Question question = random_question(scene, random);
    plain += row(picture, ask(question), answer(scene, question, Manner::Plain));
    for (Task& task : tasks)
      task.heldout += row("../../" + picture, ask(question), answer(scene, question, task.manner));
  }
  LUTHIER_CHECK(write_file_atomically(teaching / "heldout.jsonl", plain));
  for (const Task& task : tasks) {
    LUTHIER_CHECK(make_output_folder(teaching / "tasks" / task.name));
    LUTHIER_CHECK(
        write_file_atomically(teaching / "tasks" / task.name / "train.jsonl", task.train));
    LUTHIER_CHECK(
        write_file_atomically(teaching / "tasks" / task.name / "heldout.jsonl", task.heldout));
  }
  return {};
}

}  // namespace luthier
