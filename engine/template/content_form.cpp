// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/template/content_form.h"

#include <map>
#include <optional>

namespace luthier {
namespace {

constexpr const char* kWord = "wordnobodywrites";

enum class Form { Parts, Text, Either };

/// What was found out of the template that this thread rendered last.
struct Known {
  std::string source;
  std::map<std::string, Form> forms;  ///< by role
};

Json list_of(const std::string& text) {
  return Json::array({Json{{"type", "text"}, {"text", text}}});
}

Json turn_of(const std::string& role, Json content) {
  return Json{{"role", role}, {"content", std::move(content)}};
}

/// A list that was written as one: in Python's way, or as JSON.
bool shows_list(const std::string& text) {
  for (const char* sign : {"'type'", "\"type\""})
    if (text.find(sign) != std::string::npos) return true;
  return false;
}

class Asked {
 public:
  Asked(const ChatTemplate& chat_template, const Json& variables)
      : template_(chat_template), variables_(variables) {
    variables_["tools"] = nullptr;
  }

  /// What is written of the `at`-th of these turns.
  Form form_of(std::vector<Json> turns, std::size_t at) {
    turns[at]["content"] = kWord;
    const std::optional<std::string> text = rendered(turns);
    if (!text || text->find(kWord) == std::string::npos) return Form::Parts;
    turns[at]["content"] = list_of(kWord);
    const std::optional<std::string> list = rendered(turns);
    if (!list || list->find(kWord) == std::string::npos) return Form::Text;
    return shows_list(*list) && !shows_list(*text) ? Form::Text : Form::Either;
  }

 private:
  std::optional<std::string> rendered(const std::vector<Json>& turns) {
    variables_["messages"] = turns;
    variables_["add_generation_prompt"] = turns.back()["role"] != "assistant";
    auto chat = template_.render(variables_);
    if (!chat) return std::nullopt;
    return std::move(chat->text);
  }

  const ChatTemplate& template_;
  Json variables_;
};

Form asked(const ChatTemplate& chat_template, const Json& variables, const std::string& role,
           Form questions) {
  Asked ask(chat_template, variables);
  const std::string hello = "hello";
  const Json question = turn_of("user", questions == Form::Text ? Json(hello) : list_of(hello));
  const Json open = turn_of(role, nullptr);
  if (role == "user") return ask.form_of({open}, 0);
  if (role == "assistant") return ask.form_of({question, open}, 1);
  if (role == "system") return ask.form_of({open, question}, 0);
  Json calls = turn_of("assistant", "");
  const Json function = {{"name", "look"}, {"arguments", Json::object()}};
  calls["tool_calls"] = Json::array({Json{{"type", "function"}, {"function", function}}});
  return ask.form_of({question, calls, open}, 2);
}

Form form_of(const ChatTemplate& chat_template, const Json& variables, const std::string& role) {
  thread_local Known known;
  if (known.source != chat_template.source()) known = {chat_template.source(), {}};
  const auto of_role = [&](const std::string& name, Form questions) {
    const auto found = known.forms.find(name);
    if (found != known.forms.end()) return found->second;
    const Form form = asked(chat_template, variables, name, questions);
    known.forms.emplace(name, form);
    return form;
  };
  const Form questions = of_role("user", Form::Parts);
  return role == "user" ? questions : of_role(role, questions);
}

/// The parts behind one another; nothing where one has no mark.
std::optional<std::string> as_text(const Json& parts, const MediaMarks& marks) {
  std::string text;
  for (const Json& part : parts) {
    const std::string& type = part["type"].get_ref<const std::string&>();
    const std::string& written = type == "text"    ? part["text"].get_ref<const std::string&>()
                                 : type == "image" ? marks.picture
                                                   : marks.film;
    if (type != "text" && written.empty()) return std::nullopt;
    text += written;
  }
  return text;
}

}  // namespace

Json contents_as_taken(const ChatTemplate& chat_template, Json variables, const MediaMarks& marks) {
  for (Json& message : variables["messages"]) {
    Json& content = message["content"];
    if (!content.is_array()) continue;
    const std::string role = message["role"].get<std::string>();
    const bool calls_alone = content.empty() && message.contains("tool_calls");
    const Form form = form_of(chat_template, variables, role);
    const bool rather = marks.texts_alone || role == "tool" || calls_alone;
    if (form == Form::Parts || (form == Form::Either && !rather)) continue;
    std::optional<std::string> text = as_text(content, marks);
    if (text) content = calls_alone && form == Form::Text ? Json(nullptr) : Json(std::move(*text));
  }
  return variables;
}

}  // namespace luthier
