// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/template/chat_template.h"

#include "engine/io/files.h"
#include "engine/template/eval.h"
#include "engine/text/json_fields.h"

namespace luthier {
namespace {

constexpr std::uint64_t kMaxFile = 4u << 20;  // bytes of a .jinja file
constexpr std::size_t kMaxSource = 1u << 20;  // bytes of a template

/// The template of a `chat_template` field: a string, or the entry named "default" of a list.
/// Empty: none.
Result<std::string> from_field(const Json& value, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array())
    return input_error("A template is a string, or a list of named templates.", where);
  for (const Json& entry : value) {
    if (!find_field(entry, "name") || !find_field(entry, "template")) continue;
    LUTHIER_TRY(const std::string name, string_field(entry, "name", where));
    if (name == "default") return string_field(entry, "template", where);
  }
  return input_error("None of the templates is named \"default\".", where);
}

}  // namespace

struct ChatTemplate::Program {
  std::string source, where;
  templates::Template parsed;
};

Result<ChatTemplate> ChatTemplate::parse(const std::string& source, const std::string& where) {
  if (source.size() > kMaxSource) return input_error("The template is longer than 1 MiB.", where);
  auto program = std::make_shared<Program>();
  program->source = source;
  program->where = where;
  LUTHIER_TRY(program->parsed, templates::parse_template(source, where));
  ChatTemplate result;
  result.program_ = std::move(program);
  return result;
}

Result<ChatTemplate> ChatTemplate::load(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::path file = folder / "chat_template.jinja";
  if (std::filesystem::exists(file, error)) {
    LUTHIER_TRY(const std::string source, read_file(file, kMaxFile));
    return parse(source, file.string());
  }
  for (const char* name :
       {"chat_template.json", "processor_config.json", "tokenizer_config.json"}) {
    if (!std::filesystem::exists(folder / name, error)) continue;
    LUTHIER_TRY(const Json config, read_json_file(folder / name));
    const std::string where = (folder / name).string() + ": chat_template";
    const Json* field = find_field(config, "chat_template");
    if (!field) continue;
    LUTHIER_TRY(const std::string source, from_field(*field, where));
    return parse(source, where);
  }
  return input_error("The folder has no chat template.", folder.string(),
                     "Add chat_template.jinja, or chat_template in tokenizer_config.json.");
}

Result<RenderedChat> ChatTemplate::render(const Json& variables,
                                          const TemplateLimits& limits) const {
  return templates::Evaluator(program_->parsed, program_->where, limits).run(variables);
}

bool ChatTemplate::has_generation() const { return program_->parsed.has_generation; }
const std::string& ChatTemplate::source() const { return program_->source; }

}  // namespace luthier
