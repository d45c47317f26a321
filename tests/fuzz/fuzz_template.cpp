// SPDX-License-Identifier: GPL-3.0-or-later
// A chat template from anywhere, rendered over a conversation within small caps: no crash, no
// output over the cap, and the ranges of
// {% generation %} lie within the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/template/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const luthier::Json variables =
      luthier::parse_json(R"({"messages": [{"role": "system", "content": "Be brief."},
      {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]},
      {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}], )"
                          R"("add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
      "tools": null, "number": 3, "list": [1, 2.5, "x"]})",
                          "variables")
          .take();
  const std::string source(reinterpret_cast<const char*>(data), size);
  const auto parsed = luthier::ChatTemplate::parse(source, "chat_template.jinja");
  if (!parsed) return 0;
  const luthier::TemplateLimits limits{20'000, 50, 1u << 16};
  const auto rendered = parsed->render(variables, limits);
  if (!rendered) return 0;
  if (rendered->text.size() > limits.max_output) std::abort();
  for (const auto& [begin, end] : rendered->generation) {
    if (begin > end || end > rendered->text.size()) std::abort();
  }
  return 0;
}
