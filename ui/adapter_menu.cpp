// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/adapter_menu.h"

#include <QFileDialog>
#include <QStringList>
#include <QToolButton>

#include "engine/compare/result_folder.h"
#include "engine/io/json.h"
#include "ui/compare/results.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/workspace.h"

namespace luthier {

AdapterMenu::AdapterMenu(Workspace& workspace, Running running, QWidget* parent)
    : QMenu(parent), workspace_(workspace), running_(running) {
  setToolTipsVisible(true);
  connect(this, &QMenu::aboutToShow, this, &AdapterMenu::fill);
}

QToolButton* AdapterMenu::button(AdapterMenu* menu, const QString& name, QWidget* parent) {
  auto* button = new QToolButton(parent);
  button->setObjectName(name);
  button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  button->setPopupMode(QToolButton::InstantPopup);
  set_themed_icon(button, QStringLiteral("plus"));
  button->setMenu(menu);
  on_language(button, [button] {
    button->setText(AdapterMenu::tr("Adapter"));
    button->setToolTip(AdapterMenu::tr("From a finished run, or from the disk"));
  });
  return button;
}

void AdapterMenu::fill() {
  clear();
  const auto& run = workspace_.run();
  if (running_ == Running::Offered && run && !run->ended) {
    const QString folder = path_text(run->started.folder);
    QAction* action =
        addAction(tr("%1, its newest checkpoint").arg(path_text(run->started.folder.filename())),
                  this, [this, folder] { emit chosen(folder); });
    action->setObjectName(QStringLiteral("runningRun"));
    addSeparator();
  }
  for (const QString& folder : finished_results(workspace_.recipe())) {
    const auto found = find_result(to_path(folder));
    if (!found || found->whole) continue;
    QAction* action = addAction(QString::fromStdString(result_name(to_path(folder))), this,
                                [this, folder] { emit chosen(folder); });
    action->setToolTip(folder);
  }
  if (!isEmpty()) addSeparator();
  QAction* browse = addAction(tr("Open a folder…"), this, [this] {
    const QString folder =
        QFileDialog::getExistingDirectory(parentWidget(), tr("Open an adapter or a run"));
    if (!folder.isEmpty()) emit chosen(folder);
  });
  browse->setObjectName(QStringLiteral("browseAdapters"));
}

Result<QString> adapter_facts(const QString& folder) {
  LUTHIER_TRY(const ResultFolder found, find_result(to_path(folder)));
  if (found.whole)
    return input_error("This is a whole checkpoint, and adapters are combined here.",
                       found.folder.string());
  const std::filesystem::path file = found.folder / "adapter_config.json";
  LUTHIER_TRY(const Json config, read_json_file(file));
  QStringList facts;
  const auto type = config.find("peft_type");
  if (type != config.end() && type->is_string())
    facts << QString::fromStdString(type->get<std::string>());
  const auto rank = config.find("r");
  if (rank != config.end() && rank->is_number_integer())
    facts << QStringLiteral("r %1").arg(rank->get<std::int64_t>());
  std::error_code problem;
  const auto bytes =
      std::filesystem::file_size(found.folder / "adapter_model.safetensors", problem);
  if (!problem) facts << bytes_text(static_cast<std::int64_t>(bytes));
  return facts.join(QStringLiteral(" · "));
}

}  // namespace luthier
