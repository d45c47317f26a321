// SPDX-License-Identifier: GPL-3.0-or-later
// A model that looks positions up and has few of them.
#pragma once

#include "tests/train/tiny_run.h"

namespace luthier::test {

/// A GPT-2 of the fixture's words beside the run's model, without weights: its folder.
inline fs::path make_gpt2(const TinyRun& tiny, std::int64_t positions) {
  const fs::path folder = tiny.root() / "gpt2";
  fs::create_directories(folder);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
    fs::copy_file(fixture() / "llava" / name, folder / name);
  const Json llava = *read_json_file(tiny.root() / "model" / "config.json");
  const Json own = {{"model_type", "gpt2"}, {"vocab_size", llava["text_config"]["vocab_size"]},
                    {"n_embd", 16},         {"n_layer", 1},
                    {"n_head", 2},          {"n_positions", positions},
                    {"bos_token_id", 1},    {"eos_token_id", 2}};
  write_text(folder / "config.json", own.dump());
  return folder;
}

}  // namespace luthier::test
