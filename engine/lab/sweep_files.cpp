// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/sweep_files.h"

#include <cmath>
#include <cstdio>

#include "engine/io/files.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kRowsAFile = 1024, kEvalRows = 128;

Status make_sweep_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed)
    return machine_error("The folder cannot be made: " + failed.message() + ".", folder.string());
  return {};
}

/// What all runs of a sweep have in common.
Json shared_settings(const LawSweepOptions& o) {
  return {{"seed", o.seed},
          {"rows_a_step", o.rows_a_step},
          {"row_tokens", LawText::kRowWords},
          {"learning_rate_of_width_32", o.learning_rate}};
}

fs::path rows_file(const fs::path& folder, std::int64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "train-%05lld.jsonl", static_cast<long long>(number));
  return folder / "language" / name;
}

std::string line_of(const LawText& text, const std::vector<int>& row) {
  return Json{{"text", text.text(row)}}.dump() + "\n";
}

Json run_json(const SweepRun& run) {
  return {
      {"run", run.name},
      {"width", run.size.width},
      {"layers", run.size.layers},
      {"weights", run.size.weights()},
      {"tokens", run.tokens},
      {"flops", 6.0 * static_cast<double>(run.size.weights()) * static_cast<double>(run.tokens)},
      {"state", run.state.empty() ? "waiting" : run.state},
      {"loss", run.loss ? Json(*run.loss) : Json()},
      {"seconds", run.seconds}};
}

template <class Fit>
Json fit_json(const std::optional<Result<Fit>>& fit) {
  if (!fit) return nullptr;
  return fit->ok() ? to_json(**fit) : Json{{"error", fit->error().sentence()}};
}

std::string csv_line(const LossPoint& point) {
  char line[160];
  std::snprintf(line, sizeof line, "%.0f,%.0f,%.9g,%s,%d\n", point.weights, point.tokens,
                point.loss, point.run.c_str(), point.last ? 1 : 0);
  return line;
}

}  // namespace

Status begin_sweep_folder(const fs::path& folder, const LawSweepOptions& options) {
  std::error_code failed;
  if (!fs::exists(folder / "sweep.json", failed)) {
    if (fs::exists(folder, failed) && !fs::is_empty(folder, failed))
      return input_error("The folder holds something that is no sweep.", folder.string(),
                         "Name an empty folder, or one that is not there yet.");
    LUTHIER_CHECK(make_sweep_folder(folder / "language"));
    return write_sweep(folder, {}, options);
  }
  LUTHIER_TRY(const Json there, read_json_file(folder / "sweep.json"));
  const Json wanted = shared_settings(options);
  const Json found = there.is_object() ? there.value("settings", Json::object()) : Json::object();
  for (const auto& [key, value] : wanted.items()) {
    if (found.is_object() && found.contains(key) && found[key] == value) continue;
    return input_error("The sweep that is there has another " + key + " than " + value.dump() + ".",
                       (folder / "sweep.json").string() + ": settings." + key,
                       "Its points would not lie on one law: sweep into another folder.");
  }
  return make_sweep_folder(folder / "language");
}

Result<double> write_sweep_eval(const fs::path& folder, std::uint64_t seed) {
  const LawText text(seed);
  std::string lines;
  double floor = 0;
  for (std::int64_t i = 0; i < kEvalRows; ++i) {
    const auto row = text.row(LawTextSplit::HeldOut, static_cast<std::uint64_t>(i));
    floor += text.floor(row) / static_cast<double>(kEvalRows);
    lines += line_of(text, row);
  }
  std::error_code failed;
  const fs::path file = folder / "language" / "eval.jsonl";
  if (!fs::exists(file, failed)) LUTHIER_CHECK(write_file_atomically(file, lines));
  return floor;
}

Status write_sweep_rows(const fs::path& folder, std::uint64_t seed, std::int64_t rows,
                        const std::function<bool()>& go_on) {
  const LawText text(seed);
  for (std::int64_t first = 0; first < rows; first += kRowsAFile) {
    const fs::path file = rows_file(folder, first / kRowsAFile);
    std::error_code failed;
    if (fs::exists(file, failed)) continue;
    if (go_on && !go_on()) return interrupted_error();
    std::string lines;
    for (std::int64_t i = first; i < first + kRowsAFile; ++i)
      lines += line_of(text, text.row(LawTextSplit::Train, static_cast<std::uint64_t>(i)));
    LUTHIER_CHECK(write_file_atomically(file, lines));
  }
  return {};
}

std::vector<std::string> sweep_rows(const fs::path& folder, std::int64_t rows) {
  std::vector<std::string> files;
  for (std::int64_t first = 0; first < rows; first += kRowsAFile)
    files.push_back(rows_file(folder, first / kRowsAFile).string());
  return files;
}

Status write_sweep_model(const fs::path& folder, const SweepSize& size, std::uint64_t seed) {
  const fs::path model = folder / "models" / size.name();
  std::error_code failed;
  if (fs::exists(model / "config.json", failed)) return {};
  LUTHIER_CHECK(make_sweep_folder(model));
  LUTHIER_CHECK(LawText(seed).write_tokenizer(model));
  const double spread = 0.4 / std::sqrt(static_cast<double>(size.width));
  const Json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"model_type", "llama"},
                       {"dtype", "float32"},
                       {"vocab_size", LawText::kVocabulary},
                       {"hidden_size", size.width},
                       {"intermediate_size", size.intermediate},
                       {"num_hidden_layers", size.layers},
                       {"num_attention_heads", size.heads},
                       {"num_key_value_heads", size.heads},
                       {"head_dim", size.width / size.heads},
                       {"hidden_act", "silu"},
                       {"max_position_embeddings", LawText::kRowWords + 1},
                       {"rms_norm_eps", 1e-5},
                       {"rope_theta", 10000.0},
                       {"attention_bias", false},
                       {"attention_dropout", 0.0},
                       {"mlp_bias", false},
                       {"initializer_range", spread},
                       {"bos_token_id", 1},
                       {"eos_token_id", 2},
                       {"pad_token_id", 3},
                       {"tie_word_embeddings", true},
                       {"use_cache", true}};
  return write_file_atomically(model / "config.json", config.dump(2) + "\n");
}

Json to_json(const LawSweep& sweep) {
  Json json{{"floor", sweep.floor}, {"minutes", sweep.minutes}, {"runs", Json::array()}};
  for (const SweepRun& run : sweep.runs) json["runs"].push_back(run_json(run));
  json["left_out"] = sweep.left_out;
  json["points"] = Json::array();
  for (const LossPoint& point : sweep.points()) json["points"].push_back(to_json(point));
  json["fits"] = {{"approach_1", fit_json(sweep.envelope)},
                  {"approach_2", fit_json(sweep.parabolas)},
                  {"approach_3", fit_json(sweep.whole)}};
  if (!sweep.next) {
    json["next"] = nullptr;
    return json;
  }
  json["next"] = run_json(sweep.next->run);
  json["next"]["forecast"] = sweep.next->forecast;
  json["next"]["interval"] = to_json(sweep.next->interval);
  json["next"]["within"] = sweep.next->within ? Json(*sweep.next->within) : Json();
  return json;
}

Status write_sweep(const fs::path& folder, const LawSweep& sweep, const LawSweepOptions& options) {
  Json document{{"format_version", 1}, {"settings", shared_settings(options)}};
  document.update(to_json(sweep));
  std::string table = "weights,tokens,loss,run,last\n";
  for (const LossPoint& point : sweep.points()) table += csv_line(point);
  LUTHIER_CHECK(write_file_atomically(folder / "points.csv", table));
  return write_file_atomically(folder / "sweep.json", document.dump(2) + "\n");
}

}  // namespace luthier
