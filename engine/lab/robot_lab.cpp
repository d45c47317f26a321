// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/robot_lab.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "engine/io/files.h"
#include "engine/lab/robot_world.h"
#include "engine/lab/unfinished_folder.h"
#include "engine/teaching/tokenizer_maker.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kBins = 64, kFilledTo = 8, kPositions = 128, kPatch = 12;

/// What of a picture is asked in phase 0.
struct Seen {
  std::string question, answer;
};

std::string where_of(double place, const char* low, const char* high) {
  return place < 0.42 ? low : place > 0.58 ? high : "middle";
}

Seen seen_of(const TableState& state, RandomStream& random) {
  const std::string thing = table_instruction(state).substr(std::string("move to the ").size());
  const TableThing& target = state.things[static_cast<std::size_t>(state.target)];
  const auto place = [&](double x, double y) {
    return where_of(y, "top", "bottom") + " " + where_of(x, "left", "right");
  };
  if (random.chance(0.5)) return {"Where is the " + thing + "?", place(target.x, target.y)};
  return {"Where is the gripper, seen from the " + thing + "?",
          place(0.5 + (state.x - target.x), 0.5 + (state.y - target.y))};
}

Status make_lab_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed)
    return machine_error("The folder cannot be made: " + failed.message() + ".", folder.string());
  return {};
}

/// Pictures are many and can be made again: no fsync for each.
Status write_lab_picture(const fs::path& path, const Image& image) {
  LUTHIER_TRY(const auto bytes, encode_png(image));
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file) return machine_error("The picture cannot be written.", path.string());
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (std::fclose(file) != 0 || !written)
    return machine_error("The picture cannot be written: the disk may be full.", path.string());
  return {};
}

using MakeRow =
    std::function<Json(std::uint64_t row, const TableState& state, std::string picture)>;

/// NAME.jsonl, its pictures in NAME/.
Status write_rows(const fs::path& folder, const std::string& name, std::uint64_t seed,
                  std::int64_t rows, const MakeRow& make) {
  LUTHIER_CHECK(make_lab_folder(folder / name));
  std::string lines;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto place = static_cast<std::uint64_t>(row);
    const TableState state = state_on_the_way(seed, place);
    const std::string picture = name + "/" + std::to_string(row) + ".png";
    LUTHIER_CHECK(write_lab_picture(folder / picture, draw_table(state)));
    lines += make(place, state, picture).dump() + "\n";
  }
  return write_file_atomically(folder / (name + ".jsonl"), lines);
}

Json seen_row(std::uint64_t row, const TableState& state, std::string picture) {
  RandomStream random(5, 72, row);
  const Seen seen = seen_of(state, random);
  return {{"messages", Json::array({{{"role", "user"}, {"content", "<image>" + seen.question}},
                                    {{"role", "assistant"}, {"content", seen.answer}}})},
          {"images", Json::array({std::move(picture)})}};
}

MakeRow moves_of(std::vector<std::string> robots) {
  return [robots](std::uint64_t row, const TableState& state, std::string picture) -> Json {
    const std::string& name = robots[row % robots.size()];
    const LabRobot* robot = nullptr;
    for (const LabRobot& each : lab_robots())
      if (each.name == name) robot = &each;
    return {{"image", std::move(picture)},
            {"instruction", table_instruction(state)},
            {"action", expert_action(*robot, state)},
            {"robot", name}};
  };
}

TokenizerDraft draft_words() {
  std::map<std::string, std::uint64_t> counts;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    RandomStream random(3, 73, i);
    const TableState state = random_table(random);
    const Seen seen = seen_of(state, random);
    for (const std::string& text :
         {"In: What action should the robot take to " + table_instruction(state) + "?\nOut:",
          "In: " + seen.question + "\nOut: " + seen.answer})
      for (const std::string& word : split_words(text)) ++counts[word];
  }
  return make_tokenizer(counts, /*max_pieces=*/510, /*min_count=*/8);
}

Status write_lab_model(const fs::path& folder) {
  LUTHIER_CHECK(make_lab_folder(folder));
  const TokenizerDraft draft = draft_words();
  LUTHIER_CHECK(write_tokenizer(draft, folder, kPositions));
  const auto space = std::find(draft.pieces.begin(), draft.pieces.end(), "▁");
  const auto words = static_cast<std::int64_t>(draft.pieces.size()) + 2;  // with <image> and <pad>
  const Json text = {{"model_type", "llama"},     {"vocab_size", words + kBins + kFilledTo},
                     {"hidden_size", 128},        {"intermediate_size", 384},
                     {"num_hidden_layers", 4},    {"num_attention_heads", 4},
                     {"num_key_value_heads", 4},  {"hidden_act", "silu"},
                     {"rms_norm_eps", 1e-5},      {"max_position_embeddings", kPositions},
                     {"initializer_range", 0.06}, {"bos_token_id", 1},
                     {"eos_token_id", 2},         {"tie_word_embeddings", false}};
  const Json tower = {{"embed_dim", 96},
                      {"depth", 3},
                      {"num_heads", 4},
                      {"mlp_ratio", 3.0},
                      {"patch_size", kPatch}};
  const Json config = {
      {"architectures", {"OpenVLAForActionPrediction"}},
      {"model_type", "openvla"},
      {"arch_specifier", "no-align+gelu-mlp"},
      {"timm_model_ids", {"vit_base_patch16_siglip_224"}},
      {"timm_model_args", Json::array({tower})},
      {"image_sizes", {kTablePixels}},
      {"n_action_bins", kBins},
      {"pad_to_multiple_of", kFilledTo},
      {"action_space_token_id",
       space == draft.pieces.end() ? 0 : static_cast<std::int64_t>(space - draft.pieces.begin())},
      {"norm_stats", lab_norm_stats()},
      {"text_config", text}};
  const Json halves = {0.5, 0.5, 0.5};
  const Json processor = {{"image_processor_type", "PrismaticImageProcessor"},
                          {"image_resize_strategy", "resize-naive"},
                          {"input_sizes", Json::array({Json{3, kTablePixels, kTablePixels}})},
                          {"interpolations", {"bicubic"}},
                          {"means", Json::array({halves})},
                          {"stds", Json::array({halves})}};
  LUTHIER_CHECK(write_file_atomically(folder / "config.json", config.dump(2) + "\n"));
  return write_file_atomically(folder / "preprocessor_config.json", processor.dump(2) + "\n");
}

std::string recipe_of(const RobotLabOrder& order, bool seeing) {
  const std::int64_t steps = std::max<std::int64_t>(1, order.rows / 16);
  const std::string count = std::to_string(steps), later = std::to_string(2 * steps);
  std::string text =
      "# SPDX-License-Identifier: GPL-3.0-or-later\n"
      "# OpenVLA's phases, small: docs/lab.md says what they come to.\n"
      "model: model\ninit: random\n"
      "output_dir: " +
      std::string(seeing ? "run" : "run-moves-only") +
      "\n"
      "training: {per_device_train_batch_size: 16, gradient_accumulation_steps: 1, max_length: "
      "128,\n"
      "  lr_scheduler_type: cosine, warmup_steps: 30, logging_steps: 25, save_steps: 0, seed: " +
      std::to_string(order.seed) + "}\nstages:\n";
  if (seeing)
    text +=
        "  - {name: sees, objective: sft, strategy: full, dataset: seen.jsonl,\n"
        "     training: {max_steps: " +
        count + ", learning_rate: 1.0e-3}}\n";
  text +=
      "  - {name: moves, objective: actions, strategy: full, dataset: moves.jsonl,\n"
      "     eval_dataset: moves-held-out.jsonl,\n"
      "     training: {max_steps: " +
      later + ", learning_rate: 1.0e-3, eval_steps: " + count +
      "}}\n"
      "  - {name: mirror, objective: actions, strategy: lora, dataset: mirror.jsonl,\n"
      "     eval_dataset: mirror-held-out.jsonl, adapter: {r: 32, lora_alpha: 16, lora_dropout: "
      "0.0},\n"
      "     training: {max_steps: " +
      count + ", learning_rate: 2.0e-3, eval_steps: " + count + "}}\n";
  return text;
}

}  // namespace

Status write_robot_lab(const fs::path& folder, const RobotLabOrder& order) {
  if (order.rows < 16 || order.rows > 1'000'000)
    return input_error("There are " + std::to_string(order.rows) + " rows a phase.", "--rows",
                       "From 16 to a million.");
  if (folder.empty())
    return input_error("The robots' folder has no name.", "FOLDER", "Name one that is not there.");
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_empty(folder, ignored))
    return input_error("The folder holds something already.", folder.string(),
                       "Name one that is not there.");
  UnfinishedFolder unfinished(folder);
  LUTHIER_CHECK(write_lab_model(folder / "model"));
  const std::int64_t held_out = 256;
  LUTHIER_CHECK(write_rows(folder, "seen", order.seed, order.rows, seen_row));
  LUTHIER_CHECK(
      write_rows(folder, "moves", order.seed + 1, order.rows, moves_of({"arm", "crane"})));
  LUTHIER_CHECK(
      write_rows(folder, "moves-held-out", order.seed + 2, held_out, moves_of({"arm", "crane"})));
  LUTHIER_CHECK(write_rows(folder, "mirror", order.seed + 3, order.rows, moves_of({"mirror"})));
  LUTHIER_CHECK(
      write_rows(folder, "mirror-held-out", order.seed + 4, held_out, moves_of({"mirror"})));
  LUTHIER_CHECK(write_file_atomically(folder / "moves-only.yaml", recipe_of(order, false)));
  LUTHIER_CHECK(write_file_atomically(folder / "recipe.yaml", recipe_of(order, true)));
  unfinished.keep();
  return {};
}

}  // namespace luthier
