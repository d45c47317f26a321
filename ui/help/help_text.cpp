// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/help/help_text.h"

#include <QCoreApplication>

#include "engine/config/chosen_field.h"
#include "engine/config/field_notes.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/train/form_order.h"

namespace luthier {

namespace {

constexpr const char* kContext = "Help";

QString help_word(const char* english) { return QCoreApplication::translate(kContext, english); }

struct PageWords {
  PageId page;
  const char* title;
  const char* text;  ///< paragraphs between empty lines
};

const PageWords kPageWords[] = {
    {PageId::Start, QT_TRANSLATE_NOOP("Help", "Start"),
     QT_TRANSLATE_NOOP(
         "Help",
         "Begin here. The guided tour trains a small model in front of you and explains each "
         "curve. A teaching task begins with one click: “Train it” launches it at once, “Only set "
         "it up” fills in the settings and waits.\n\n"
         "Below stand the models, recipes and runs that you had in hand before. A run that was "
         "interrupted can be resumed from here.")},
    {PageId::Model, QT_TRANSLATE_NOOP("Help", "Model"),
     QT_TRANSLATE_NOOP(
         "Help",
         "Load the model that is to learn: a folder as transformers writes it. The list shows what "
         "is on this machine; a model can also be downloaded from a hub.\n\n"
         "Once it stands, the tree shows its modules with their shapes and what trains. Ticks in "
         "the tree choose the target modules of an adapter; the totals follow.")},
    {PageId::Data, QT_TRANSLATE_NOOP("Help", "Data"),
     QT_TRANSLATE_NOOP(
         "Help",
         "The rows to learn from, each as the model gets it: what is coloured is learned, the rest "
         "is only read. The check looks at every row and picture and names what is wrong before a "
         "run would stumble over it.")},
    {PageId::Train, QT_TRANSLATE_NOOP("Help", "Train"),
     QT_TRANSLATE_NOOP(
         "Help",
         "On the left the settings. Simple ones show at first, “Advanced” shows all; what differs "
         "from its default is bold. Changes can be undone. Press F1 in a setting to read about "
         "it.\n\n"
         "Below them stands what the run will take in memory, part by part, before it starts. “Try "
         "one step” makes one step on the longest row and measures it.\n\n"
         "On the right the curves of the run. They share one axis: drag and turn the wheel to look "
         "closer, double-click to see all. While the run is paused the model stays loaded and can "
         "be asked something. “Stop” asks whether to save.")},
    {PageId::Compare, QT_TRANSLATE_NOOP("Help", "Compare"),
     QT_TRANSLATE_NOOP(
         "Help",
         "Adapters side by side on one base, with the same pictures, questions and seed. Attach "
         "adapters from finished runs, open samples and run all. Words that differ from the "
         "reference are marked; point at a word to see how sure the model was and what else it "
         "might have said. The slider in a column's head makes an adapter weaker or stronger.")},
    {PageId::Runs, QT_TRANSLATE_NOOP("Help", "Runs"),
     QT_TRANSLATE_NOOP(
         "Help",
         "Every run that was trained, with its curves. Tick several to lay their curves over one "
         "another and to see which settings differ. “Use its settings” takes a run's settings back "
         "to the Train page, “Resume” goes on from its newest checkpoint.")},
    {PageId::Methods, QT_TRANSLATE_NOOP("Help", "Methods"),
     QT_TRANSLATE_NOOP(
         "Help",
         "All methods for the loaded model beside one another: how much trains, what memory it "
         "takes, how large the result is. Tick a few and run them for some steps to see which one "
         "learns your data best.")},
    {PageId::Merge, QT_TRANSLATE_NOOP("Help", "Merge"),
     QT_TRANSLATE_NOOP(
         "Help",
         "Several adapters made into one, or worked into the base's weights. The weights and the "
         "way of merging can be tried on questions before anything is written; the proof says how "
         "far the merged model's answers are from the unmerged one's.")},
    {PageId::Ranks, QT_TRANSLATE_NOOP("Help", "Ranks"),
     QT_TRANSLATE_NOOP(
         "Help",
         "What an adapter uses of its rank: the singular values of each module's change, how many "
         "of them carry it, and which layers changed most. An adapter whose effective rank is far "
         "below its rank would have done with less.")},
    {PageId::Lab, QT_TRANSLATE_NOOP("Help", "Lab"),
     QT_TRANSLATE_NOOP(
         "Help",
         "Ways of pretraining and of joining pictures and words, as cards on a map. A card shows "
         "what its batch looks like: which token sees which (choose one with the mouse or the "
         "arrow keys), what is noised, what is learned from. It trains for real in a minute or "
         "two, on scenes that are made for it, and then shows what it makes of rows that it has "
         "never seen.\n\n"
         "A second card can stand beside it: both see the same scenes, as many rows each. The "
         "model that you had loaded comes back afterwards.")},
};

const PageWords& words_of(PageId page) {
  for (const PageWords& words : kPageWords)
    if (words.page == page) return words;
  return kPageWords[0];
}

QString paragraph(const QString& text) {
  return QStringLiteral("<p>%1</p>").arg(text.toHtmlEscaped());
}

QString link(const QString& where, const QString& text) {
  return QStringLiteral("<a href=\"%1\">%2</a>").arg(where.toHtmlEscaped(), text.toHtmlEscaped());
}

QString row_of(const char* what, const QString& value) {
  if (value.isEmpty()) return {};
  return QStringLiteral("<tr><td><b>%1</b>&nbsp;&nbsp;</td><td>%2</td></tr>")
      .arg(help_word(what).toHtmlEscaped(), value.toHtmlEscaped());
}

QString kinds_text(const std::vector<std::string>& kinds) {
  QStringList names;
  for (const std::string& kind : kinds) names << recipe_text(kind);
  return names.join(QStringLiteral(", "));
}

bool holds_all(const QString& text, const QStringList& words) {
  return std::all_of(words.begin(), words.end(),
                     [&](const QString& word) { return text.contains(word, Qt::CaseInsensitive); });
}

}  // namespace

QString field_note_text(const std::string& key) {
  const FieldNote note = field_note(key);
  QStringList parts;
  for (const char* sentence : {note.usual, note.cost})
    if (sentence && *sentence) parts << recipe_text(sentence);
  return parts.join(QLatin1Char(' '));
}

QString field_range_text(const FieldDescription& field) {
  if (!field.choices.empty()) return kinds_text(field.choices);
  const auto number = [](double value) { return number_text(value, 6); };
  if (field.minimum && field.maximum)
    return help_word(QT_TRANSLATE_NOOP("Help", "%1 to %2"))
        .arg(number(*field.minimum), number(*field.maximum));
  if (field.minimum)
    return (field.exclusive_minimum ? help_word(QT_TRANSLATE_NOOP("Help", "above %1"))
                                    : help_word(QT_TRANSLATE_NOOP("Help", "%1 or more")))
        .arg(number(*field.minimum));
  if (field.maximum)
    return help_word(QT_TRANSLATE_NOOP("Help", "%1 at most")).arg(number(*field.maximum));
  return {};
}

QString page_title(PageId page) { return help_word(words_of(page).title); }

QString page_link(PageId page) { return QStringLiteral("page:%1").arg(static_cast<int>(page)); }
QString field_link(const std::string& key) {
  return QStringLiteral("field:%1").arg(QString::fromStdString(key));
}

QString page_help(PageId page) {
  const PageWords& words = words_of(page);
  QString html = QStringLiteral("<h2>%1</h2>").arg(help_word(words.title).toHtmlEscaped());
  for (const QString& each : help_word(words.text).split(QStringLiteral("\n\n")))
    html += paragraph(each);
  QStringList others;
  for (const PageWords& other : kPageWords)
    if (other.page != page) others << link(page_link(other.page), help_word(other.title));
  html +=
      QStringLiteral("<hr><p>%1 · %2</p>")
          .arg(link(QStringLiteral("fields"), help_word(QT_TRANSLATE_NOOP("Help", "All settings"))),
               others.join(QStringLiteral(" · ")));
  return html;
}

QString field_help(const FieldDescription& field, const Recipe& recipe) {
  const FieldDescription* chosen = as_chosen(field.key, recipe);
  const FieldDescription& about = chosen ? *chosen : field;
  const FieldNote note = field_note(field.key);
  QString html = QStringLiteral("<h2>%1</h2>").arg(recipe_text(field.label).toHtmlEscaped());
  html += paragraph(recipe_text(about.help));
  if (!about.choice_help.empty()) {
    html += QStringLiteral("<ul>");
    for (std::size_t i = 0; i < about.choices.size() && i < about.choice_help.size(); ++i)
      html += QStringLiteral("<li><b>%1</b>: %2</li>")
                  .arg(recipe_text(about.choices[i]).toHtmlEscaped(),
                       recipe_text(about.choice_help[i]).toHtmlEscaped());
    html += QStringLiteral("</ul>");
  }
  const auto usual = get_field(default_recipe(recipe), field.key);
  html += QStringLiteral("<table cellspacing=\"4\">");
  html +=
      row_of(QT_TRANSLATE_NOOP("Help", "Usual"), note.usual ? recipe_text(note.usual) : QString());
  html += row_of(QT_TRANSLATE_NOOP("Help", "Cost"), note.cost ? recipe_text(note.cost) : QString());
  html += row_of(QT_TRANSLATE_NOOP("Help", "Default"),
                 usual && *usual != "null" ? recipe_text(*usual) : QString());
  html += row_of(QT_TRANSLATE_NOOP("Help", "Possible"), field_range_text(about));
  html += row_of(QT_TRANSLATE_NOOP("Help", "Unit"), recipe_text(field.unit));
  html += row_of(QT_TRANSLATE_NOOP("Help", "Methods"), kinds_text(field.strategies));
  html += row_of(QT_TRANSLATE_NOOP("Help", "Objectives"), kinds_text(field.objectives));
  html += row_of(QT_TRANSLATE_NOOP("Help", "Optimizers"), kinds_text(field.optimizers));
  html += row_of(QT_TRANSLATE_NOOP("Help", "In a recipe"), QString::fromStdString(field.key));
  html +=
      QStringLiteral("</table><hr><p>%1 · %2</p>")
          .arg(link(QStringLiteral("fields"), help_word(QT_TRANSLATE_NOOP("Help", "All settings"))),
               link(page_link(PageId::Train), page_title(PageId::Train)));
  return html;
}

QString field_list_help(const QString& words) {
  const QStringList wanted = words.split(QLatin1Char(' '), Qt::SkipEmptyParts);
  QString html = QStringLiteral("<h2>%1</h2>")
                     .arg(help_word(QT_TRANSLATE_NOOP("Help", "All settings")).toHtmlEscaped());
  std::string group;
  bool any = false;
  for (const FieldDescription& field : form_fields()) {
    const QString label = recipe_text(field.label), help = recipe_text(field.help);
    if (!holds_all(
            label + QLatin1Char(' ') + help + QLatin1Char(' ') + QString::fromStdString(field.key),
            wanted))
      continue;
    if (form_group(field) != group || !any) {
      group = form_group(field);
      html += QStringLiteral("<h3>%1</h3>").arg(recipe_text(group).toHtmlEscaped());
    }
    any = true;
    html += QStringLiteral("<p>%1<br>%2</p>")
                .arg(link(field_link(field.key), label), help.toHtmlEscaped());
  }
  if (!any) html += paragraph(help_word(QT_TRANSLATE_NOOP("Help", "No setting has these words.")));
  return html;
}

}  // namespace luthier
