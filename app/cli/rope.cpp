// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint with scaled rotary positions, for training beyond its length.
#include <memory>

#include "app/cli/verbs.h"
#include "engine/models/rope_scaling.h"

namespace luthier::cli {

Action add_rope(CLI::App& app) {
  struct RopeOptions {
    std::string model, out;
    std::vector<std::string> set;
    std::int64_t original = 0;
    RopeScaling scaling;
  };
  const auto o = std::make_shared<RopeOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--type", o->scaling.type, "linear, dynamic, yarn, longrope or llama3")
      ->capture_default_str();
  app.add_option("--factor", o->scaling.factor, "By which the length grows")->capture_default_str();
  app.add_option("--original-length", o->original,
                 "Tokens that the checkpoint was made for (else as its config.json says)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  app.add_option("--set", o->set,
                 "KEY=JSON: more of rope_parameters, as beta_fast=64 or long_factor=[1.0,…]")
      ->allow_extra_args(false);
  app.add_option("--out", o->out, "The folder to write: the same weights under a new config.json")
      ->required();
  return [o]() -> Status {
    for (const std::string& text : o->set) {
      const std::size_t equals = text.find('=');
      if (equals == 0 || equals == std::string::npos)
        return input_error("\"" + text + "\" is not KEY=JSON.", "--set",
                           "Write --set beta_fast=64.");
      LUTHIER_TRY(o->scaling.more[text.substr(0, equals)],
                  parse_json(text.substr(equals + 1), "--set " + text.substr(0, equals)));
    }
    if (o->original > 0) o->scaling.original_length = o->original;
    LUTHIER_CHECK(write_scaled_checkpoint(o->model, o->out, o->scaling));
    print_line(o->out);
    return {};
  };
}

}  // namespace luthier::cli
