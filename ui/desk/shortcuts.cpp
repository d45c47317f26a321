// SPDX-License-Identifier: GPL-3.0-or-later
// The table, and the dialog that lists it.
#include "ui/desk/shortcuts.h"

#include <QCoreApplication>
#include <QHeaderView>
#include <QPushButton>
#include <QTableWidget>
#include <QVBoxLayout>

#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/copied_table.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

const std::vector<Shortcut>& shortcuts() {
  const auto page = [](const char* id, Qt::Key key, const char* what) {
    return Shortcut{id, QKeySequence(Qt::CTRL | key), what};
  };
  static const std::vector<Shortcut> table{
      {"page_start", QKeySequence(Qt::ALT | Qt::Key_Home),
       QT_TRANSLATE_NOOP("Shortcuts", "The Start page")},
      page("page_model", Qt::Key_1, QT_TRANSLATE_NOOP("Shortcuts", "The Model page")),
      page("page_data", Qt::Key_2, QT_TRANSLATE_NOOP("Shortcuts", "The Data page")),
      page("page_train", Qt::Key_3, QT_TRANSLATE_NOOP("Shortcuts", "The Train page")),
      page("page_compare", Qt::Key_4, QT_TRANSLATE_NOOP("Shortcuts", "The Compare page")),
      page("page_runs", Qt::Key_5, QT_TRANSLATE_NOOP("Shortcuts", "The Runs page")),
      page("page_methods", Qt::Key_6, QT_TRANSLATE_NOOP("Shortcuts", "The Methods page")),
      page("page_merge", Qt::Key_7, QT_TRANSLATE_NOOP("Shortcuts", "The Merge page")),
      page("page_ranks", Qt::Key_8, QT_TRANSLATE_NOOP("Shortcuts", "The Ranks page")),
      page("page_lab", Qt::Key_9, QT_TRANSLATE_NOOP("Shortcuts", "The Lab page")),
      {"open_model", QKeySequence::Open, QT_TRANSLATE_NOOP("Shortcuts", "Open a model folder")},
      {"save_recipe", QKeySequence::Save, QT_TRANSLATE_NOOP("Shortcuts", "Save the recipe")},
      {"undo", QKeySequence(Qt::CTRL | Qt::Key_Z),
       QT_TRANSLATE_NOOP("Shortcuts", "Undo the last change to the settings")},
      {"redo", QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_Z),
       QT_TRANSLATE_NOOP("Shortcuts", "Redo it")},
      {"launch", QKeySequence(Qt::Key_F5), QT_TRANSLATE_NOOP("Shortcuts", "Launch")},
      {"pause", QKeySequence(Qt::Key_F6),
       QT_TRANSLATE_NOOP("Shortcuts", "Pause the run, or go on with it")},
      {"save_now", QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_S),
       QT_TRANSLATE_NOOP("Shortcuts", "Save a checkpoint now")},
      {"help", QKeySequence(Qt::Key_F1),
       QT_TRANSLATE_NOOP("Shortcuts", "Help on the setting or the page where you are")},
      {"shortcuts", QKeySequence(Qt::CTRL | Qt::Key_F1),
       QT_TRANSLATE_NOOP("Shortcuts", "This list")},
      {"larger", QKeySequence(Qt::CTRL | Qt::Key_Plus),
       QT_TRANSLATE_NOOP("Shortcuts", "Larger words")},
      {"smaller", QKeySequence(Qt::CTRL | Qt::Key_Minus),
       QT_TRANSLATE_NOOP("Shortcuts", "Smaller words")},
      {"usual_size", QKeySequence(Qt::CTRL | Qt::Key_0),
       QT_TRANSLATE_NOOP("Shortcuts", "Words of the usual size")},
      {"projector", QKeySequence(Qt::Key_F11),
       QT_TRANSLATE_NOOP("Shortcuts", "Projector: large words and thick lines")},
      {"copy_table", QKeySequence::Copy,
       QT_TRANSLATE_NOOP("Shortcuts", "Copy the selected text or the rows of a table"), true},
      {"forget_model", QKeySequence::Delete,
       QT_TRANSLATE_NOOP("Shortcuts", "Take a model out of the list"), true},
  };
  return table;
}

QKeySequence shortcut_keys(const std::string& id) {
  for (const Shortcut& shortcut : shortcuts())
    if (shortcut.id == id) return shortcut.keys;
  return {};
}

QString shortcut_text(const Shortcut& shortcut) {
  return QCoreApplication::translate("Shortcuts", shortcut.what);
}

QString with_keys(const QString& text, const std::string& id) {
  const QString keys = shortcut_keys(id).toString(QKeySequence::NativeText);
  return keys.isEmpty() ? text : QStringLiteral("%1  (%2)").arg(text, keys);
}

ShortcutDialog::ShortcutDialog(QWidget* parent) : QDialog(parent) {
  setObjectName(QStringLiteral("shortcutDialog"));
  auto* layout = new QVBoxLayout(this);
  table_ = new QTableWidget(static_cast<int>(shortcuts().size()), 2, this);
  table_->setObjectName(QStringLiteral("shortcutTable"));
  make_quiet(table_);
  table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table_->setTabKeyNavigation(false);
  table_->verticalHeader()->hide();
  table_->horizontalHeader()->setStretchLastSection(true);
  make_copied(table_);
  layout->addWidget(table_);
  // Qt's own button would speak by Qt's translations, which may not be there.
  auto* close = new QPushButton(this);
  close->setObjectName(QStringLiteral("closeShortcuts"));
  connect(close, &QPushButton::clicked, this, &QDialog::reject);
  layout->addWidget(close, 0, Qt::AlignRight);
  on_language(this, [this, close] {
    close->setText(tr("&Close"));
    fill();
  });
  resize(scaled_length(560), scaled_length(600));
}

void ShortcutDialog::fill() {
  setWindowTitle(tr("Keyboard shortcuts"));
  table_->setAccessibleName(tr("Keyboard shortcuts"));
  table_->setHorizontalHeaderLabels({tr("Keys"), tr("What they do")});
  int row = 0;
  for (const Shortcut& shortcut : shortcuts()) {
    table_->setItem(row, 0, new QTableWidgetItem(shortcut.keys.toString(QKeySequence::NativeText)));
    table_->setItem(row++, 1, new QTableWidgetItem(shortcut_text(shortcut)));
  }
  table_->resizeColumnToContents(0);
}

}  // namespace luthier
