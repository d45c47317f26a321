// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/gguf/modelfile.h"

#include <array>

#include "engine/io/json.h"
#include "engine/io/probe.h"
#include "engine/template/chat_template.h"
#include "engine/text/tokenizer.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

// Stand in the place of what people write; no template has them.
constexpr const char *kSystem = "qjxSYSTEMqjx", *kQuestion = "qjxQUESTIONqjx",
                     *kAnswer = "qjxANSWERqjx", *kNext = "qjxNEXTqjx";

Json message(const char* role, const char* text, bool parts) {
  Json content = text;
  if (parts) {
    Json part = Json::object();
    part["type"] = "text";
    part["text"] = text;
    content = Json::array({part});
  }
  Json turn = Json::object();
  turn["role"] = role;
  turn["content"] = content;
  return turn;
}

class Renderer {
 public:
  Renderer(const ChatTemplate& how, const SpecialTokens& special) : how_(how), special_(special) {}

  /// Empty: refused, or the text is not in it.
  std::string operator()(std::initializer_list<std::pair<const char*, const char*>> turns,
                         bool answer_follows) const {
    for (const bool parts : {true, false}) {
      Json messages = Json::array();
      for (const auto& [role, text] : turns) messages.push_back(message(role, text, parts));
      Json variables = Json::object();
      variables["messages"] = messages;
      variables["add_generation_prompt"] = answer_follows;
      variables["bos_token"] = special_.bos_text;
      variables["eos_token"] = special_.eos_text;
      const auto rendered = how_.render(variables);
      if (!rendered) continue;
      std::size_t at = 0;
      bool whole = true;
      for (const auto& [role, text] : turns) {
        at = rendered->text.find(text, at);
        whole = whole && at != std::string::npos;
      }
      if (!whole || rendered->text.find("'type'") != std::string::npos) continue;
      // The first token is put there by the runtime.
      const std::string& bos = special_.bos_text;
      return !bos.empty() && rendered->text.starts_with(bos) ? rendered->text.substr(bos.size())
                                                             : rendered->text;
    }
    return {};
  }

 private:
  const ChatTemplate& how_;
  const SpecialTokens& special_;
};

std::string between(const std::string& text, const char* from, const char* to) {
  const std::size_t begin = *from ? text.find(from) + std::string_view(from).size() : 0;
  return text.substr(begin, *to ? text.find(to, begin) - begin : std::string::npos);
}

/// A text inside a Go template.
std::string literal(const std::string& text) {
  std::string written;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.compare(at, 2, "{{") == 0) {
      written += "{{ \"{{\" }}";
      ++at;
    } else {
      written += text[at];
    }
  }
  return written;
}

/// Between three quotation marks; a text with those in it is left out.
void add_block(std::string& file, const char* name, const std::string& text) {
  if (text.empty() || text.find("\"\"\"") != std::string::npos) return;
  file += std::string("\n") + name + " \"\"\"" + text + "\"\"\"\n";
}

std::string go_template(const TurnWords& words) {
  const std::string system =
      literal(words.before_system) + "{{ .System }}" + literal(words.after_system);
  return "{{ if .System }}" + system + "{{ end }}{{ if .Prompt }}" + literal(words.before_prompt) +
         "{{ .Prompt }}" + literal(words.after_prompt) + "{{ end }}{{ .Response }}" +
         literal(words.after_answer);
}

Status add_sampling(const fs::path& folder, std::string& file) {
  const fs::path path = folder / "generation_config.json";
  if (!is_there(path)) return {};
  LUTHIER_TRY(const Json config, read_json_file(path));
  const std::string where = path.string();
  LUTHIER_TRY(const bool draws, json_bool(config, "do_sample", where, false));
  static constexpr std::array kNames{std::pair{"temperature", "temperature"},
                                     std::pair{"top_p", "top_p"}, std::pair{"top_k", "top_k"},
                                     std::pair{"min_p", "min_p"},
                                     std::pair{"repetition_penalty", "repeat_penalty"}};
  for (const auto& [ours, theirs] : kNames) {
    const bool penalty = std::string_view(ours) == "repetition_penalty";
    const auto found = config.find(ours);
    if (found == config.end() || !found->is_number() || (!draws && !penalty)) continue;
    file += std::string("PARAMETER ") + theirs + " " + found->dump() + "\n";
  }
  if (!draws) file += "PARAMETER temperature 0\n";
  return {};
}

}  // namespace

std::optional<TurnWords> turn_words(const fs::path& folder) {
  const auto how = ChatTemplate::load(folder);
  const auto tokenizer = Tokenizer::load(folder);
  if (!how || !tokenizer) return {};
  const Renderer render(*how, (*tokenizer)->special());
  const std::string asked = render({{"user", kQuestion}}, true);
  const std::string answered = render({{"user", kQuestion}, {"assistant", kAnswer}}, false);
  const std::string next =
      render({{"user", kQuestion}, {"assistant", kAnswer}, {"user", kNext}}, true);
  if (asked.empty() || answered.empty() || next.empty()) return {};
  TurnWords words;
  words.after_prompt = between(asked, kQuestion, "");
  words.after_answer = between(answered, kAnswer, "");
  const std::string turn = between(next, kAnswer, kNext);
  if (!turn.starts_with(words.after_answer)) return {};
  words.before_prompt = turn.substr(words.after_answer.size());
  const std::string begin = between(asked, "", kQuestion);
  const std::string system = render({{"system", kSystem}, {"user", kQuestion}}, true);
  if (!system.empty()) {
    words.before_system = between(system, "", kSystem);
    const std::string rest = between(system, kSystem, kQuestion);
    if (!rest.ends_with(words.before_prompt)) return {};
    words.after_system = rest.substr(0, rest.size() - words.before_prompt.size());
    const std::string tail = words.after_system + words.before_prompt;
    if (begin.size() > words.before_system.size() + tail.size() &&
        begin.starts_with(words.before_system) && begin.ends_with(tail))
      words.system = begin.substr(words.before_system.size(),
                                  begin.size() - words.before_system.size() - tail.size());
  }
  // What only stands between two turns belongs to the one before.
  if (!begin.empty() && words.before_prompt.ends_with(begin)) {
    const std::string apart =
        words.before_prompt.substr(0, words.before_prompt.size() - begin.size());
    words.after_answer += apart;
    words.after_system += apart;
    words.before_prompt = begin;
  }
  return words;
}

Result<std::string> modelfile(const fs::path& folder, const ModelfileParts& parts) {
  std::string file = "# ollama create NAME -f Modelfile\n";
  for (const std::string& name : parts.files) file += "FROM ./" + name + "\n";
  const std::optional<TurnWords> words = turn_words(folder);
  if (words) add_block(file, "TEMPLATE", go_template(*words));
  add_block(file, "SYSTEM", !parts.system.empty() ? parts.system : words ? words->system : "");
  file += "\n";
  if (parts.context > 0) file += "PARAMETER num_ctx " + std::to_string(parts.context) + "\n";
  LUTHIER_CHECK(add_sampling(folder, file));
  for (const std::string& stop : parts.stops) {
    if (stop.find('"') == std::string::npos) file += "PARAMETER stop \"" + stop + "\"\n";
  }
  return file;
}

}  // namespace luthier
