// SPDX-License-Identifier: GPL-3.0-or-later
// PiSSA and OLoRA as plain LoRA.
#include <memory>

#include "app/cli/adapter.h"
#include "engine/methods/convert.h"

namespace luthier::cli {

namespace {

struct AdapterConvertOptions {
  std::string adapter, model, out;
};

Status convert(const AdapterConvertOptions& o) {
  LUTHIER_CHECK(convert_to_plain_lora(o.model, o.adapter, o.out,
                                      [](double) { return !interrupted().stop_requested(); }));
  print_line("Converted " + o.adapter + " to a plain LoRA of twice the rank: " + o.out);
  return {};
}

}  // namespace

Action add_adapter_convert(CLI::App& app) {
  const auto o = std::make_shared<AdapterConvertOptions>();
  app.add_option("DIR", o->adapter, "A PEFT folder of PiSSA or OLoRA")->required();
  app.add_option("--model", o->model, "The checkpoint that it was trained on")->required();
  app.add_option("--out", o->out, "The folder to write")->required();
  return [o] { return convert(*o); };
}

}  // namespace luthier::cli
