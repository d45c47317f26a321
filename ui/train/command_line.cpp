// SPDX-License-Identifier: GPL-3.0-or-later
// Quoting for a shell, and the dialog.
#include "ui/train/command_line.h"

#include <QClipboard>
#include <QCoreApplication>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QSaveFile>
#include <QStandardPaths>
#include <QVBoxLayout>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/wrapped_text.h"

namespace luthier {

namespace {

QString quoted(QString text) {
  static const QRegularExpression plain(QStringLiteral("^[A-Za-z0-9_./=+:,@-]+$"));
  if (plain.match(text).hasMatch()) return text;
  return QLatin1Char('\'') + text.replace(QLatin1Char('\''), QStringLiteral("'\\''")) +
         QLatin1Char('\'');
}

/// The program by its bare name where a shell finds it, else by its path beside this one.
QString program() {
  const QString name = QStringLiteral("luthier-cli");
  if (!QStandardPaths::findExecutable(name).isEmpty()) return name;
  const QString beside = QDir(QCoreApplication::applicationDirPath()).filePath(name);
  return QFileInfo(beside).isExecutable() ? beside : name;
}

std::string absolute(const std::string& path) {
  if (path.empty()) return path;
  return QDir::cleanPath(QFileInfo(QString::fromStdString(path)).absoluteFilePath()).toStdString();
}

/// The recipe with paths that hold wherever the command is run.
Recipe placed(Recipe recipe) {
  for (std::string* path :
       {&recipe.model, &recipe.output_dir, &recipe.image_folder, &recipe.adapter.init_from})
    *path = absolute(*path);
  for (std::vector<std::string>* files : {&recipe.dataset, &recipe.eval_dataset})
    for (std::string& file : *files) file = absolute(file);
  Json earlier = Json::array();
  for (const std::string& file : recipe.more.names("replay.dataset"))
    earlier.push_back(absolute(file));
  if (!earlier.empty()) recipe.more.set_json("replay.dataset", earlier.dump());
  return recipe;
}

Result<QString> write_recipe(const std::string& output_dir, const std::string& text) {
  const QString folder = QDir(QStandardPaths::writableLocation(QStandardPaths::AppDataLocation))
                             .filePath(QStringLiteral("recipes"));
  const QString run = QFileInfo(QString::fromStdString(output_dir)).fileName();
  const QString file = QDir(folder).filePath((run.isEmpty() ? QStringLiteral("recipe") : run) +
                                             QStringLiteral(".yaml"));
  QSaveFile out(file);
  const QByteArray yaml = QByteArray::fromStdString(text);
  if (!QDir().mkpath(folder) || !out.open(QIODevice::WriteOnly) || out.write(yaml) != yaml.size() ||
      !out.commit())
    return machine_error(
        "The recipe could not be written: " + out.errorString().toStdString() + ".",
        file.toStdString(), "Save it somewhere else.");
  return file;
}

/// Whether the person's program belongs to the command.
bool add_program(const Workspace& workspace, const Recipe& recipe, QString& text) {
  const std::filesystem::path own = workspace.program_for(recipe);
  if (!own.empty())
    text += QStringLiteral(" --reward-program ") +
            quoted(QString::fromStdString(absolute(own.string())));
  return !own.empty();
}

}  // namespace

Result<EquivalentCommand> equivalent_command(const Workspace& workspace) {
  EquivalentCommand command;
  if (auto staged = workspace.staged()) {
    staged->output_dir = absolute(staged->output_dir);
    for (RecipeStage& stage : staged->stages) stage.recipe = placed(std::move(stage.recipe));
    LUTHIER_TRY(command.file, write_recipe(staged->output_dir, staged_recipe_to_yaml(*staged)));
    command.written = true;
    command.text = quoted(program()) + QStringLiteral(" train ") + quoted(command.file);
    for (const RecipeStage& stage : staged->stages)
      if (add_program(workspace, stage.recipe, command.text)) break;
    return command;
  }
  const Recipe wanted = placed(workspace.recipe());
  Recipe base = wanted;
  if (!workspace.recipe_file().isEmpty()) {
    if (auto read = read_recipe(to_path(workspace.recipe_file()))) {
      command.file = QFileInfo(workspace.recipe_file()).absoluteFilePath();
      // As the command line would take the file's paths: from where it is run, which may be
      // anywhere.
      base = read.take();
    }
  }
  if (command.file.isEmpty()) {
    LUTHIER_TRY(command.file, write_recipe(wanted.output_dir, recipe_to_yaml(wanted)));
    command.written = true;
  }
  command.text = quoted(program()) + QStringLiteral(" train ") + quoted(command.file);
  std::vector<std::string> settings;
  const auto add = [&](const Recipe& from) {
    for (const FieldDifference& d : recipe_differences(from, wanted))
      settings.push_back(d.key + "=" + d.right);
  };
  add(base);
  // Another method moves defaults that the file does not name: what they became is set back.
  if (!settings.empty())
    if (const auto with = read_recipe(to_path(command.file), settings)) add(*with);
  for (const std::string& setting : settings)
    command.text += QStringLiteral(" --set ") + quoted(QString::fromStdString(setting));
  add_program(workspace, wanted, command.text);
  return command;
}

CommandDialog::CommandDialog(Workspace& workspace, QWidget* parent) : QDialog(parent) {
  setObjectName(QStringLiteral("commandDialog"));
  setAttribute(Qt::WA_DeleteOnClose);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(20, 16, 20, 16);
  layout->setSpacing(10);
  auto* about = new WrappedText(this);
  about->setObjectName(QStringLiteral("commandAbout"));
  layout->addWidget(about);
  auto* text = new QPlainTextEdit(this);
  text->setObjectName(QStringLiteral("commandText"));
  text->setReadOnly(true);
  text->setLineWrapMode(QPlainTextEdit::WidgetWidth);
  text->setWordWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
  text->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  text->setFont(code_font(0.95));
  text->setMinimumHeight(140);
  layout->addWidget(text, 1);
  auto* row = new QHBoxLayout;
  auto* save = new QPushButton(this);
  save->setObjectName(QStringLiteral("commandSave"));
  auto* copy = new QPushButton(this);
  copy->setObjectName(QStringLiteral("commandCopy"));
  set_themed_icon(copy, QStringLiteral("copy"));
  auto* close = new QPushButton(this);
  close->setObjectName(QStringLiteral("commandClose"));
  row->addWidget(save);
  row->addStretch(1);
  row->addWidget(copy);
  row->addWidget(close);
  layout->addLayout(row);
  copy->setDefault(true);
  copy->setFocus();

  const auto fill = [this, &workspace, about, text, copy] {
    const auto command = equivalent_command(workspace);
    copy->setEnabled(command.ok());
    if (!command) {
      about->set_text(error_text(command.error()));
      return;
    }
    about->set_text(command->written
                        ? tr("Trains with these settings from a terminal. They were written to %1.")
                              .arg(command->file)
                        : tr("Trains with these settings from a terminal, by the recipe %1.")
                              .arg(command->file));
    text->setPlainText(command->text);
  };
  connect(copy, &QPushButton::clicked, this,
          [text] { QGuiApplication::clipboard()->setText(text->toPlainText()); });
  connect(close, &QPushButton::clicked, this, &QDialog::accept);
  connect(save, &QPushButton::clicked, this, [this, &workspace, about, fill] {
    const QString file = QFileDialog::getSaveFileName(
        this, tr("Save the recipe"), QStringLiteral("recipe.yaml"), tr("Recipes (*.yaml *.yml)"));
    if (file.isEmpty()) return;
    if (const Status status = workspace.save_recipe(file); !status)
      about->set_text(error_text(status.error()));
    else
      fill();
  });
  on_language(this, [this, save, copy, close, text, fill] {
    setWindowTitle(tr("The command line"));
    text->setAccessibleName(tr("The command line"));
    save->setText(tr("&Save the recipe elsewhere…"));
    copy->setText(tr("&Copy"));
    close->setText(tr("C&lose"));
    fill();
  });
  resize(640, 300);
}

}  // namespace luthier
