// SPDX-License-Identifier: GPL-3.0-or-later
// Generation of the form and its binding to the recipe.
#include "ui/train/recipe_form.h"

#include <QApplication>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPushButton>
#include <QScrollArea>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "engine/config/chosen_field.h"
#include "ui/desk/recipe_history.h"
#include "ui/desk/shortcuts.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/train/command_line.h"
#include "ui/train/field_editor.h"
#include "ui/train/form_order.h"
#include "ui/train/program_chooser.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr int kLabelWidth = 136, kFormWidth = 372;
constexpr const char* kJudges = ".reward_funcs";

}  // namespace

RecipeForm::RecipeForm(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(6);
  layout->addWidget(make_head());
  scroll_ = new QScrollArea(this);
  scroll_->setObjectName(QStringLiteral("formScroll"));
  scroll_->setWidgetResizable(true);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  auto* inside = new QWidget(scroll_);
  auto* rows = new QVBoxLayout(inside);
  rows->setContentsMargins(0, 0, 6, 8);
  rows->setSpacing(4);
  make_rows(inside, rows);
  rows->addStretch(1);
  scroll_->setWidget(inside);
  scroll_->viewport()->setAutoFillBackground(false);
  inside->setAutoFillBackground(false);
  layout->addWidget(scroll_, 1);
  // Larger words want more room than the person may have given it.
  const auto size = [this] {
    const int wanted = scaled_length(kFormWidth);
    setMinimumWidth(wanted > kFormWidth ? wanted : 0);
  };
  size();
  connect(&Theme::instance(), &Theme::changed, this, size);
  connect(&workspace_, &Workspace::recipe_changed, this, &RecipeForm::refresh);
  connect(&workspace_, &Workspace::faults_changed, this, &RecipeForm::refresh);
  connect(&workspace_, &Workspace::model_changed, this, &RecipeForm::refresh);
  connect(&workspace_, &Workspace::field_wanted, this, &RecipeForm::go_to_field);
  connect(qApp, &QApplication::focusChanged, this, &RecipeForm::place_errors);
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this, &RecipeForm::refresh_locks);
  on_language(this, [this] {
    for (const Heading& heading : headings_) heading.label->setText(recipe_text(heading.group));
    for (const Row& row : rows_) {
      row.label->setText(recipe_text(row.editor->field().label));
      row.label->setToolTip(recipe_text(row.editor->field().help));
    }
    refresh();
  });
  refresh_locks();
  folding_ = false;
}

RecipeForm::~RecipeForm() {
  // The focus moves on while the fields go.
  disconnect(qApp, nullptr, this, nullptr);
}

QWidget* RecipeForm::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(6);
  auto* title = new QLabel(head);
  title->setFont(scaled_font(1.0, true));
  row->addWidget(title);
  changed_ = muted_label(head, 0.85);
  changed_->setObjectName(QStringLiteral("changedBadge"));
  changed_->setWordWrap(false);
  row->addWidget(changed_);
  row->addStretch(1);
  advanced_ = new QToolButton(head);
  advanced_->setObjectName(QStringLiteral("advancedToggle"));
  advanced_->setCheckable(true);
  connect(advanced_, &QToolButton::toggled, this, [this] {
    folding_ = true;
    refresh();
    folding_ = false;
  });
  row->addWidget(advanced_);
  reset_ = new QPushButton(head);
  reset_->setObjectName(QStringLiteral("resetRecipe"));
  connect(reset_, &QPushButton::clicked, this, [this] { workspace_.reset_recipe(); });
  row->addWidget(reset_);
  row->addWidget(make_menu_button());
  on_language(head, [this, title] {
    title->setText(tr("Settings"));
    advanced_->setText(tr("Ad&vanced"));
    advanced_->setToolTip(tr("Show every setting"));
    reset_->setText(tr("Reset"));
    reset_->setToolTip(tr("All settings back to their defaults; model, data and run folder stay"));
  });
  return head;
}

QWidget* RecipeForm::make_menu_button() {
  auto* button = new QToolButton(this);
  button->setObjectName(QStringLiteral("recipeMenuButton"));
  button->setPopupMode(QToolButton::InstantPopup);
  set_themed_icon(button, QStringLiteral("file"));
  auto* menu = new QMenu(button);
  QAction* load = menu->addAction(QString(), this, &RecipeForm::load);
  QAction* save = menu->addAction(QString(), this, &RecipeForm::save);
  menu->addSeparator();
  RecipeHistory& history = workspace_.history();
  QAction* undo = menu->addAction(QString(), &history, &RecipeHistory::undo);
  QAction* redo = menu->addAction(QString(), &history, &RecipeHistory::redo);
  undo->setObjectName(QStringLiteral("undoSetting"));
  redo->setObjectName(QStringLiteral("redoSetting"));
  menu->addSeparator();
  QAction* command = menu->addAction(QString(), this, &RecipeForm::show_command_line);
  load->setObjectName(QStringLiteral("loadRecipe"));
  save->setObjectName(QStringLiteral("saveRecipe"));
  save->setShortcut(shortcut_keys("save_recipe"));
  command->setObjectName(QStringLiteral("showCommand"));
  addAction(save);
  button->setMenu(menu);
  // The keys are the window's (make_shortcuts): here they are only told.
  const auto tell_history = [this, undo, redo] {
    const auto text = [](const QString& what, const std::string& field, const char* id) {
      const QString about = field_label(field);
      return with_keys(about.isEmpty() ? what : QStringLiteral("%1: %2").arg(what, about), id);
    };
    const RecipeHistory& now = workspace_.history();
    undo->setText(text(tr("Undo"), now.undo_field(), "undo"));
    redo->setText(text(tr("Redo"), now.redo_field(), "redo"));
    undo->setEnabled(now.can_undo());
    redo->setEnabled(now.can_redo());
  };
  connect(&history, &RecipeHistory::changed, button, tell_history);
  on_language(button, [button, load, save, command, tell_history] {
    tell_history();
    button->setToolTip(tr("Recipe: load, save, command line"));
    button->setAccessibleName(tr("Recipe"));
    load->setText(tr("Load a recipe…"));
    save->setText(tr("Save the recipe…"));
    command->setText(tr("Show the command line"));
  });
  return button;
}

void RecipeForm::make_rows(QWidget* canvas, QVBoxLayout* layout) {
  std::string group;
  for (const FieldDescription& field : form_fields()) {
    if (form_group(field) != group) {
      group = form_group(field);
      auto* heading = muted_label(this, 0.85);
      QFont font = heading->font();
      font.setBold(true);
      heading->setFont(font);
      heading->setContentsMargins(0, headings_.empty() ? 0 : 8, 0, 0);
      layout->addWidget(heading);
      headings_.push_back({heading, group});
    }
    auto* holder = new QWidget(canvas);
    auto* column = new QVBoxLayout(holder);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(3);
    auto* row = new QHBoxLayout;
    row->setSpacing(8);
    column->addLayout(row);
    auto* label = new QLabel(holder);
    label->setWordWrap(true);
    label->setFixedWidth(kLabelWidth);
    auto* editor = new FieldEditor(field, canvas, holder);
    label->setBuddy(editor->focus_target());
    row->addWidget(label, 0, Qt::AlignTop);
    label->setMinimumHeight(26);
    row->addWidget(editor, 1);
    if (editor->below()) column->addWidget(editor->below());
    if (field.key.ends_with(kJudges)) {
      const QString section = QString::fromStdString(field.key.substr(0, field.key.find('.')));
      programs_.push_back(new ProgramChooser(workspace_, section, holder));
      column->addWidget(programs_.back());
    }
    layout->addWidget(holder);
    rows_.push_back({editor, label, holder, group});
    connect(
        editor, &FieldEditor::edited, this,
        [this, editor](const QString& value, bool finished) { apply(editor, value, finished); });
    connect(editor, &FieldEditor::reset_asked, this,
            [this, editor] { apply(editor, workspace_.default_of(editor->field().key), true); });
  }
}

void RecipeForm::apply(FieldEditor* editor, const QString& value, bool finished) {
  const std::string key = editor->field().key;
  const Status status = workspace_.edit_field(key, value.toStdString());
  // Half-typed values are not scolded; the sentence comes when the field is left.
  const FieldFault* fault = workspace_.fault_of(key);
  if (!fault)
    editor->show_error({});
  else if (finished)
    editor->show_error(fault_text(*fault));
  if (finished && status) refresh();
}

void RecipeForm::go_to_field(const std::string& key) {
  for (const Row& row : rows_) {
    if (row.editor->field().key != key) continue;
    if (!row.holder->isVisibleTo(this)) advanced_->setChecked(true);
    if (const FieldFault* fault = workspace_.fault_of(key))
      row.editor->show_error(fault_text(*fault));
    QWidget* target = row.editor->focus_target();
    target->setFocus(Qt::OtherFocusReason);
    if (auto* line = qobject_cast<QLineEdit*>(target)) line->selectAll();
    // Rows that were just shown have their places once the layout has been made anew.
    scroll_->widget()->layout()->activate();
    const auto reveal = [this, holder = row.holder] {
      scroll_->ensureWidgetVisible(holder, 0, 60);
    };
    reveal();
    QTimer::singleShot(0, this, reveal);
    return;
  }
}

void RecipeForm::place_errors() {
  for (const Row& row : rows_)
    if (!row.editor->error().isEmpty()) row.editor->place_error();
}

void RecipeForm::refresh_row(const Row& row, bool mine) {
  const Recipe& recipe = workspace_.recipe();
  const FieldDescription& field = row.editor->field();
  const FieldFault* fault = workspace_.fault_of(field.key);
  if (const FieldDescription* chosen = as_chosen(field.key, recipe)) row.editor->show_as(*chosen);
  // What another tool's recipe sets for pictures stays in sight with a model that sees none.
  const bool fits = applies(field, recipe) && (mine || fault || workspace_.model_has(field.key));
  // What is changed or at fault is never out of sight, and what a person is at does not go when
  // it is back at its default.
  const bool stays = !folding_ && row.holder->isVisibleTo(this);
  row.holder->setVisible(fits &&
                         (advanced_->isChecked() || !field.advanced || mine || fault || stays));
  row.editor->set_changed(mine || fault);
  QFont font = row.label->font();
  font.setBold(mine);
  row.label->setFont(font);
  if (fault) {
    row.editor->show_draft(fault->text);
    if (!row.editor->error().isEmpty() || !row.editor->is_being_typed())
      row.editor->show_error(fault_text(*fault));
    return;
  }
  row.editor->show_error({});
  const auto value = get_field(recipe, field.key);
  if (!value) return;
  if (row.editor->is_being_typed()) {
    // "1e-4" may stay as it is typed, where it is what the recipe holds.
    Recipe typed = recipe;
    const bool same = set_field(typed, field.key, row.editor->value().toStdString()).ok() &&
                      get_field(typed, field.key).value() == *value;
    if (same) return;
  }
  row.editor->show_value(QString::fromStdString(*value));
}

void RecipeForm::refresh() {
  const std::vector<FieldDifference> changed = workspace_.changed_fields();
  const auto differs = [&](const std::string& key) {
    return std::any_of(changed.begin(), changed.end(), [&](const auto& d) { return d.key == key; });
  };
  for (const Row& row : rows_) refresh_row(row, differs(row.editor->field().key));
  for (const Heading& heading : headings_)
    heading.label->setVisible(std::any_of(rows_.begin(), rows_.end(), [&](const Row& r) {
      return r.group == heading.group && r.holder->isVisibleTo(this);
    }));
  changed_->setText(changed.empty() ? tr("all at their defaults")
                                    : tr("%n changed", nullptr, static_cast<int>(changed.size())));
  QStringList lines;
  for (const FieldDifference& d : changed)
    lines << QStringLiteral("%1: %2 → %3")
                 .arg(field_label(d.key), QString::fromStdString(d.left),
                      QString::fromStdString(d.right));
  changed_->setToolTip(lines.join(QLatin1Char('\n')));
  reset_->setEnabled((!changed.empty() || !workspace_.faults().empty()) &&
                     !can_stop(workspace_.state()));
}

void RecipeForm::refresh_locks() {
  const bool locked = can_stop(workspace_.state());
  for (const Row& row : rows_) row.editor->set_locked(locked);
  for (ProgramChooser* program : programs_) program->set_locked(locked);
  refresh();
}

void RecipeForm::load() {
  const QString file =
      QFileDialog::getOpenFileName(this, tr("Load a recipe"), {}, tr("Recipes (*.yaml *.yml)"));
  if (file.isEmpty()) return;
  if (const Status status = workspace_.open_recipe(file); !status) emit failed(status.error());
}

void RecipeForm::save() {
  if (workspace_.refuse_faults()) return;
  const QString suggestion =
      workspace_.recipe_file().isEmpty() ? QStringLiteral("recipe.yaml") : workspace_.recipe_file();
  const QString file = QFileDialog::getSaveFileName(this, tr("Save the recipe"), suggestion,
                                                    tr("Recipes (*.yaml *.yml)"));
  if (file.isEmpty()) return;
  if (const Status status = workspace_.save_recipe(file); !status)
    emit failed(status.error());
  else
    emit said(tr("The recipe was written to %1.").arg(file));
}

void RecipeForm::show_command_line() {
  if (workspace_.refuse_faults()) return;
  (new CommandDialog(workspace_, window()))->open();
}

}  // namespace luthier
