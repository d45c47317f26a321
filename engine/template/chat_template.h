// SPDX-License-Identifier: GPL-3.0-or-later
// Chat templates: the part of Jinja that public VLM templates use, evaluated within caps on steps,
// depth and output. There is no way from a template to anything but the values given to it. `{%
// generation %}` marks the assistant's text.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct TemplateLimits {
  std::size_t max_steps = 2'000'000;
  std::size_t max_depth = 100;
  std::size_t max_output = 16u << 20;  ///< bytes
};

struct RenderedChat {
  std::string text;
  std::vector<std::pair<std::size_t, std::size_t>>
      generation;  ///< byte ranges inside {% generation %}
};

class ChatTemplate {
 public:
  /// Parses with trim_blocks and lstrip_blocks on, as transformers does. Errors name `where` and
  /// the line.
  static Result<ChatTemplate> parse(const std::string& source, const std::string& where);
  /// The template of a checkpoint folder: chat_template.jinja, chat_template.json,
  /// processor_config.json, tokenizer_config.json (a string, or the entry named "default" of a
  /// list). nullopt-like: an Input error saying that the folder has none.
  static Result<ChatTemplate> load(const std::filesystem::path& folder);

  /// `variables`: an object with messages, add_generation_prompt, bos_token, eos_token, ... A
  /// template's own raise_exception is an Input error with its message.
  Result<RenderedChat> render(const Json& variables, const TemplateLimits& limits = {}) const;
  bool has_generation() const;
  const std::string& source() const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

}  // namespace luthier
