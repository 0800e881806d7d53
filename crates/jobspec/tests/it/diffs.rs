//! Two jobs compared.

use baton_jobspec::diff;
use baton_jobspec::diff::{DiffType, FieldDiff, ObjectDiff};
use baton_model::Job;

use crate::{job_with_task, messages, read};

fn job(content: &str) -> Job {
    read(&job_with_task(content)).unwrap_or_else(|found| panic!("{}", messages(&found))).job
}

fn field<'a>(fields: &'a [FieldDiff], name: &str) -> &'a FieldDiff {
    fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("no {name} in {fields:?}"))
}

fn object<'a>(objects: &'a [ObjectDiff], name: &str) -> &'a ObjectDiff {
    objects.iter().find(|object| object.name == name).unwrap_or_else(|| panic!("no {name} in {objects:?}"))
}

const BASE: &str = "config {\n command = \"/bin/x\"\n args = [\"-a\"]\n }\n env {\n A = \"1\"\n }";

#[test]
fn nothing_changed() {
    let job = job(BASE);
    let diff = diff(Some(&job), Some(&job), false);
    assert_eq!(diff.diff_type, DiffType::None);
    assert!(diff.task_groups.is_empty() && diff.fields.is_empty() && diff.objects.is_empty());
}

#[test]
fn a_new_job_adds_everything() {
    let job = job(BASE);
    let diff = diff(None, Some(&job), true);
    assert_eq!((diff.diff_type, diff.id.as_str()), (DiffType::Added, "j"));
    let group = &diff.task_groups[0];
    assert_eq!(group.diff_type, DiffType::Added);
    assert_eq!(field(&group.fields, "Count").annotations, ["forces create"]);
    assert_eq!(group.tasks[0].annotations, ["forces create"]);
    assert_eq!(field(&group.tasks[0].fields, "Env[A]").new, "1");
    assert_eq!(field(&object(&group.tasks[0].objects, "Config").fields, "args[0]").new, "-a");
}

#[test]
fn a_stopped_job_deletes_everything() {
    let job = job(BASE);
    let diff = diff(Some(&job), None, false);
    assert_eq!(diff.diff_type, DiffType::Deleted);
    assert_eq!(diff.task_groups[0].tasks[0].annotations, ["forces destroy"]);
}

#[test]
fn changes_that_replace_and_changes_that_do_not() {
    for (changed, annotation) in [
        (BASE.replace("/bin/x", "/bin/y"), "forces create/destroy update"),
        (BASE.replace("A = \"1\"", "A = \"2\""), "forces create/destroy update"),
        (format!("{BASE}\nuser = \"nobody\""), "forces create/destroy update"),
        (format!("{BASE}\nlogs {{ disabled = true }}"), "forces create/destroy update"),
        (format!("{BASE}\nkill_timeout = \"9s\""), "forces in-place update"),
        (format!("{BASE}\nlogs {{ max_files = 3 }}"), "forces in-place update"),
        (format!("{BASE}\nservice {{ name = \"s\" }}"), "forces in-place update"),
        (format!("{BASE}\nrestart {{ attempts = 1 }}"), "forces in-place update"),
    ] {
        let (old, new) = (job(BASE), job(&changed));
        let diff = diff(Some(&old), Some(&new), true);
        assert_eq!(diff.diff_type, DiffType::Edited, "{changed}");
        assert_eq!(diff.task_groups[0].tasks[0].annotations, [annotation], "{changed}");
    }
}

#[test]
fn lists_are_matched_by_name() {
    let service = |tag: &str| {
        format!(
            "service {{\n name = \"s\"\n tags = [\"a\", \"{tag}\"]\n }}\n constraint {{\n attribute = \"${{meta.x}}\"\n value = \"{tag}\"\n }}"
        )
    };
    let (old, new) = (job(&service("b")), job(&service("c")));
    let diff = diff(Some(&old), Some(&new), true);
    let task = &diff.task_groups[0].tasks[0];
    let service = object(&task.objects, "Service");
    assert_eq!(service.diff_type, DiffType::Edited);
    assert_eq!(field(&service.fields, "Name").diff_type, DiffType::None);
    let tags = object(&service.objects, "Tags");
    let kinds: Vec<DiffType> = tags.fields.iter().map(|field| field.diff_type).collect();
    assert_eq!(kinds, [DiffType::Deleted, DiffType::Added, DiffType::None]);
    let constraints: Vec<DiffType> =
        task.objects.iter().filter(|object| object.name == "Constraint").map(|object| object.diff_type).collect();
    assert_eq!(constraints, [DiffType::Deleted, DiffType::Added]);
}

#[test]
fn counts_and_order() {
    let (old, mut new) = (job(BASE), job(BASE));
    new.task_groups[0].count = 3;
    let up = diff(Some(&old), Some(&new), false);
    let count = field(&up.task_groups[0].fields, "Count");
    assert_eq!((count.old.as_str(), count.new.as_str()), ("1", "3"));
    assert_eq!(count.annotations, ["forces create"]);
    let down = diff(Some(&new), Some(&old), false);
    assert_eq!(field(&down.task_groups[0].fields, "Count").annotations, ["forces destroy"]);
    new.version = 9;
    new.status = "running".to_owned();
    new.task_groups[0].count = 1;
    assert_eq!(diff(Some(&old), Some(&new), false).diff_type, DiffType::None);
}

#[test]
fn json_has_the_names_of_the_api() {
    let (old, new) = (job(BASE), job(&BASE.replace("-a", "-b")));
    let json = serde_json::to_value(diff(Some(&old), Some(&new), false)).unwrap();
    let field = &json["TaskGroups"][0]["Tasks"][0]["Objects"][0];
    assert_eq!(field["Name"], "Config");
    assert_eq!(field["Fields"][0]["Old"], "-a");
    assert_eq!(json["Type"], "Edited");
    assert_eq!(json["ID"], "j");
}
