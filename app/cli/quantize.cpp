// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint with its linear layers packed, as transformers and bitsandbytes save it, or the
// tensors of one file.
#include <memory>

#include "app/cli/quantization.h"
#include "app/cli/verbs.h"
#include "engine/models/pack_files.h"

namespace luthier::cli {

namespace {

struct QuantizeOptions {
  std::string from, out;
  QuantizationOptions packing;
  bool dequantized = false;
};

Status quantize(const QuantizeOptions& o, const Json& settings) {
  PackFiles how;
  how.settings = settings;
  how.dequantized = o.dequantized;
  how.go_on = [] { return !interrupted().stop_requested(); };
  std::error_code ignored;
  const bool is_file = std::filesystem::is_regular_file(o.from, ignored);
  LUTHIER_CHECK(is_file ? pack_file(o.from, o.out, how) : pack_checkpoint(o.from, o.out, how));
  print_line("Packed " + o.from + ": " + o.out);
  return {};
}

}  // namespace

Action add_quantize(CLI::App& app) {
  const auto o = std::make_shared<QuantizeOptions>();
  app.add_option("MODEL", o->from, "A checkpoint folder, or a safetensors file")->required();
  app.add_option("--out", o->out, "The folder to write, or the file")->required();
  add_quantization_options(app, o->packing, /*switched=*/false);
  app.add_flag("--dequantized", o->dequantized,
               "Write X.dequantized beside each packed X: what its numbers stand for");
  return [o, &app]() -> Status {
    LUTHIER_TRY(const Json settings, quantization_settings(app, o->packing));
    return quantize(*o, settings);
  };
}

}  // namespace luthier::cli
