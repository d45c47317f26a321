// SPDX-License-Identifier: GPL-3.0-or-later
// What stands before a template of texts, and what a template is asked to find out whether it keeps
// pictures.
#include "engine/lab/compose/words.h"
#include "engine/template/chat_template.h"

namespace luthier {

std::string flattened_turns(const PictureMark& mark) {
  const std::string text = mark.bare ? "part['text'] | trim" : "part['text']";
  return "{% set flat = namespace(messages=[]) %}\n"
         "{% for message in messages %}\n"
         "{% if message['content'] and message['content'] is not string %}\n"
         "{% set turn = namespace(text='') %}\n"
         "{% for part in message['content'] %}\n"
         "{% if part['type'] == 'image' %}\n"
         "{% set turn.text = turn.text + '" +
         mark.text +
         "' %}\n"
         "{% elif part['type'] == 'text' %}\n"
         "{% set turn.text = turn.text + " +
         text +
         " %}\n"
         "{% endif %}\n"
         "{% endfor %}\n"
         "{% set flat.messages = flat.messages + [{'role': message['role'], 'content': "
         "turn.text}] %}\n"
         "{% else %}\n"
         "{% set flat.messages = flat.messages + [message] %}\n"
         "{% endif %}\n"
         "{% endfor %}\n"
         "{% set messages = flat.messages %}\n";
}

const char* bare_turns() {
  return "{% for message in messages %}"
         "{% if not loop.first %}{{ '\\n' }}{% elif bos_token %}{{ bos_token }}{% endif %}"
         "{% if message['role'] == 'assistant' %}Assistant:{% generation %}"
         "{% if message['content'] is string %}{{ ' ' + message['content'] | trim }}"
         "{% else %}{% for part in message['content'] %}{% if part['type'] == 'text' %}"
         "{{ ' ' + part['text'] | trim }}{% endif %}{% endfor %}{% endif %}"
         "{% if loop.last %}{{ eos_token }}{% endif %}{% endgeneration %}"
         "{% else %}{{ message['role'] | capitalize + ':' }}"
         "{% if message['content'] is string %}{{ ' ' + message['content'] | trim }}"
         "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
         "{% elif part['type'] == 'text' %}{% if loop.first %}{{ ' ' }}{% endif %}"
         "{{ part['text'] | trim }}{% endif %}{% endfor %}{% endif %}{% endif %}{% endfor %}"
         "{% if add_generation_prompt %}{{ '\\nAssistant:' }}{% endif %}";
}

bool writes_picture(const std::string& source, const PictureMark& wanted,
                    const Tokenizer& tokenizer) {
  const auto parsed = ChatTemplate::parse(source, "chat_template");
  if (!parsed) return false;
  const Json picture = {{"type", "image"}}, asked = {{"type", "text"}, {"text", "What is this?"}},
             said = {{"type", "text"}, {"text", "A cat."}};
  const SpecialTokens& special = tokenizer.special();
  const Json variables = {
      {"messages", Json::array({{{"role", "user"}, {"content", Json::array({picture, asked})}},
                                {{"role", "assistant"}, {"content", Json::array({said})}}})},
      {"add_generation_prompt", false},
      {"bos_token", special.bos_text},
      {"eos_token", special.eos_text}};
  const auto rendered = parsed->render(variables);
  if (!rendered) return false;
  const std::string& text = rendered->text;
  const std::size_t mark = text.find("<image>"), answer = text.find("A cat.");
  if (mark == std::string::npos || text.find("<image>", mark + 1) != std::string::npos ||
      text.find("What is this?") == std::string::npos || answer == std::string::npos)
    return false;
  if (!wanted.bare) return true;
  const std::size_t behind = mark + std::string_view("<image>").size();
  const bool spaced = (mark > 0 && text[mark - 1] == ' ') || text[behind] == ' ';
  const std::string between = text.substr(behind, answer - behind);
  return !spaced && answer > behind && text.starts_with(special.bos_text) &&
         (special.eos_text.empty() || between.find(special.eos_text) == std::string::npos);
}

}  // namespace luthier
